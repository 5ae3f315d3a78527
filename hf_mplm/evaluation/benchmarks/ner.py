"""Named entities: WikiANN, MasakhaNER and every other benchmark in CoNLL's columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..files.hub_data import HubData, HubDataset
from ..files.names import Meaning, meaning_of
from ..files.tagged import TaggedSentence
from ..kinds.examples import Features, Scores
from ..kinds.tagging import TaggedCorpus, TaggingTask, named
from ..metrics.entities import entity_f1


__all__ = ["LABELS", "TASK", "NerCorpus", "NerTask"]

# In the order of the Hub's WikiANN, which its Parquet files may hold as bare numbers.
LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")

# What WikiANN, named as Wikipedias are, means by a name that ISO 639 gives to another language, or to none.
# A variety yields to the language itself where both are there. MasakhaNER's names are ISO 639-3.
WIKIANN: Mapping[str, Meaning] = {
    "als": Meaning("gsw"),
    "bat-smg": Meaning("sgs"),
    "be-tarask": Meaning("bel", "Belarusian in the Taraškievica orthography"),
    "be-x-old": Meaning("bel", "Belarusian in the Taraškievica orthography"),
    "bh": Meaning("bih"),
    "cbk-zam": Meaning("cbk"),
    "eml": Meaning("eml"),
    "fiu-vro": Meaning("vro"),
    "map-bms": Meaning("jav", "Banyumasan, a variety of Javanese"),
    "nds-nl": Meaning("nds", "Low Saxon of the Netherlands"),
    "no": Meaning("nob"),
    "nrm": Meaning("nrf"),
    "roa-rup": Meaning("rup"),
    "roa-tara": Meaning("", "Tarantino, which ISO 639-3 does not have"),
    "sh": Meaning("hbs"),
    "simple": Meaning("eng", "Simple English"),
    "zh-classical": Meaning("lzh"),
    "zh-min-nan": Meaning("nan"),
    "zh-yue": Meaning("yue"),
}


HUB = HubDataset(
    "ner",
    "unimelb-nlp/wikiann",
    "f0a3be6dc5564c0cc4150bb660144800a1f539d4",
    r"(?P<name>[a-z]+(?:-[a-z]+)*)/(?P<split>train|validation|test)-\d+-of-\d+\.parquet",
    "not stated; its text is Wikipedia's, CC BY-SA",
    partial(meaning_of, meanings=WIKIANN),
)


class NerCorpus(TaggedCorpus):
    """Files of words and entities in `ner/`.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    meanings = WIKIANN

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, "ner", LABELS)


@dataclass
class NerTask(TaggingTask):
    """Named entities in `ner/`, scored by the F1 of whole entities.

    Other labels than those of persons, organisations and locations, such as MasakhaNER's dates, are named in
    `ner/labels.txt`.
    """

    name: str = "ner"
    hub_data: tuple[HubData, ...] = field(default=(HUB,), kw_only=True)
    selection_metric = "entity_f1"

    def corpus(self, data_dir: Path, train_file: str | None = None) -> NerCorpus:
        return NerCorpus(data_dir)

    def score(
        self, examples: Sequence[TaggedSentence], features: Features, predictions: Sequence[Any], language: str
    ) -> Scores:
        """Compute the F1 of entities."""
        gold = [named(example.labels, example) for example in examples]
        guess = [
            named(labels, example) for labels, example in zip(self.join(examples, features, predictions), examples)
        ]
        return Scores({"entity_f1": entity_f1(gold, guess)}, len(examples))


TASK = NerTask()
