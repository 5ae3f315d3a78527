"""PAWS-X: paraphrase or not, in seven languages."""

from __future__ import annotations

from pathlib import Path

from ..kinds.classification import ClassificationTask
from ..kinds.sentence_pairs import PairCorpus


__all__ = ["TASK", "PawsXCorpus"]

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


TASK = ClassificationTask("pawsx", LABELS, PawsXCorpus, ("accuracy",))
