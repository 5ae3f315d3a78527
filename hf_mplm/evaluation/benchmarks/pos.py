"""Parts of speech: the 17 universal ones of Universal Dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..files.hub_data import HubData
from ..files.layouts import DataError
from ..files.tagged import TaggedSentence
from ..files.treebanks import HUB, Treebanks
from ..kinds.examples import Features, Scores
from ..kinds.tagging import TaggedCorpus, TaggingTask, named
from ..metrics.classification import accuracy, macro_f1
from ..metrics.entities import entity_f1


__all__ = ["LABELS", "TASK", "PosCorpus", "PosTask"]

LABELS = (
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
)


class PosCorpus(TaggedCorpus):
    """Files of words and tags in `pos/`, and the CoNLL-U files in `ud/` for the languages that have none there.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, "pos", LABELS)
        self.treebanks = Treebanks(data_dir / "ud")
        self.findings = [*self.findings, *self.treebanks.findings]
        for language in sorted({*self.names, *self.refused} & {code for code, _ in self.treebanks.files}):
            paths = [path for (code, _), paths in self.treebanks.files.items() if code == language for path in paths]
            self.findings[0].note(f"pos: {language} is read from {self.folder}, not from {paths[0]}")

    def languages(self) -> list[str]:
        return sorted({*super().languages(), *self.treebanks.languages()})

    def examples(self, language: str, split: str) -> list[TaggedSentence]:
        if language in self.names or language in self.refused or not self.treebanks.files:
            return super().examples(language, split)
        index = {label: number for number, label in enumerate(self.labels)}
        sentences = []
        for tree in self.treebanks.trees(language, split):
            unknown = next((tag for tag in tree.tags if tag not in index), None)
            if unknown is not None:
                raise DataError(
                    f"the sentence at {tree.place} has the tag {unknown!r}, which is none of {', '.join(self.labels)}"
                )
            sentences.append(TaggedSentence(tree.words, [index[tag] for tag in tree.tags], self.labels, tree.place))
        return sentences


@dataclass
class PosTask(TaggingTask):
    """Parts of speech in `pos/` or `ud/`.

    Scored are the accuracy and the macro-F1 of words, and under the name `seqeval_f1` what the papers report: the F1
    of "entities" of equal neighbouring tags, in which `CCONJ` and `SCONJ` are of one type.
    """

    name: str = "pos"
    hub_data: tuple[HubData, ...] = field(default=(HUB,), kw_only=True)
    selection_metric = "accuracy"

    def corpus(self, data_dir: Path, train_file: str | None = None) -> PosCorpus:
        return PosCorpus(data_dir)

    def score(
        self, examples: Sequence[TaggedSentence], features: Features, predictions: Sequence[Any], language: str
    ) -> Scores:
        """Compute the metrics of words and the papers' F1."""
        joined = self.join(examples, features, predictions)
        gold = [label for example in examples for label in example.labels]
        guess = [label for labels in joined for label in labels]
        by_entity = entity_f1(
            [named(example.labels, example) for example in examples],
            [named(labels, example) for labels, example in zip(joined, examples)],
        )
        metrics = {"accuracy": accuracy(gold, guess), "macro_f1": macro_f1(gold, guess), "seqeval_f1": by_entity}
        return Scores(metrics, len(gold))


TASK = PosTask()
