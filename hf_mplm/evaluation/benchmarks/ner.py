"""Named entities: WikiANN, MasakhaNER and every other benchmark in CoNLL's columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.tagged import TaggedSentence
from ..kinds.finetuned import Features, Scores
from ..kinds.tagging import TaggedCorpus, TaggingTask, named
from ..metrics.entities import entity_f1


__all__ = ["LABELS", "TASK", "NerTask"]

# In the order of the Hub's WikiANN, which its Parquet files may hold as bare numbers.
LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")


@dataclass
class NerTask(TaggingTask):
    """Named entities in `ner/`, scored by the F1 of whole entities.

    Other labels than those of persons, organisations and locations, such as MasakhaNER's dates, are named in
    `ner/labels.txt`.
    """

    name: str = "ner"
    selection_metric = "entity_f1"

    def corpus(self, data_dir: Path, train_file: str | None = None) -> TaggedCorpus:
        """Open the benchmark.

        Args:
            data_dir (`Path`): The folder with one folder a benchmark.
            train_file (`str`, *optional*): Not used: these benchmarks come with their training data.

        Returns:
            `TaggedCorpus`: Its files.
        """
        return TaggedCorpus(data_dir, self.name, LABELS)

    def score(
        self, examples: Sequence[TaggedSentence], features: Features, predictions: Sequence[Any], language: str
    ) -> Scores:
        """Compute the F1 of entities.

        Args:
            examples (`Sequence[TaggedSentence]`): The sentences.
            features (`Features`): Their rows.
            predictions (`Sequence[np.ndarray]`): One array of labels a row.
            language (`str`): Not used.

        Returns:
            `Scores`: `entity_f1`, over so many sentences.
        """
        gold = [named(example.labels, example) for example in examples]
        guess = [
            named(labels, example) for labels, example in zip(self.join(examples, features, predictions), examples)
        ]
        return Scores({"entity_f1": entity_f1(gold, guess)}, len(examples))


TASK = NerTask()
