"""PAWS-X: paraphrase or not, in seven languages."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..files.hub_data import HubDataset
from ..files.names import meaning_of
from ..kinds.classification import ClassificationTask
from ..kinds.sentence_pairs import CHINESE, PairCorpus


__all__ = ["TASK", "PawsXCorpus"]

HUB = HubDataset(
    "pawsx",
    "google-research-datasets/paws-x",
    "4cd8187c404bda33cb1f62b49b001115862acf37",
    r"(?P<name>[a-z]{2})/(?P<split>train|validation|test)-\d+-of-\d+\.parquet",
    "PAWS-X's own: free for any purpose",
    partial(meaning_of, meanings=CHINESE),
)
LABELS = ("different", "paraphrase")
COLUMNS = (("sentence1", "sentence2", "label"),)
NAMES = {"0": 0, "1": 1}


class PawsXCorpus(PairCorpus):
    """The benchmark's `x-final/CODE/{train,translated_train,dev_2k,test_2k}.tsv`, or Parquet files.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        folder = data_dir / "pawsx"
        super().__init__(folder / "x-final" if (folder / "x-final").is_dir() else folder, COLUMNS, NAMES)


TASK = ClassificationTask("pawsx", LABELS, PawsXCorpus, ("accuracy",), hub_data=(HUB,))
