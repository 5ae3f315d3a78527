"""Taxi1500: six topics of Bible verses."""

from __future__ import annotations

from pathlib import Path

from ..files.corpus import MissingDataError
from ..files.folder_corpus import FolderCorpus
from ..files.hub_data import NotOnHub
from ..files.labels import labelled
from ..files.layouts import read_records, require_columns, unique_by
from ..files.records import text_of
from ..kinds.classification import ClassificationTask, LabelledText, label_index


__all__ = ["LABELS", "TASK", "Taxi1500Corpus"]

HUB = NotOnHub(
    "taxi1500",
    "not with its labels, since many of its Bible editions may not be redistributed",
    "ask for it by the form in https://github.com/cisnlp/Taxi1500",
    "CODE/{train,dev,test}.tsv (verse id, label, verse)",
    "each edition its own",
)
LABELS = ("Recommendation", "Faith", "Violence", "Grace", "Sin", "Description")


class Taxi1500Corpus(FolderCorpus[LabelledText]):
    """TSV without a header (verse id, label, verse) in `CODE/test.tsv`, `CODE_test.tsv` or `eng_test.tsv`, or Parquet.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    text_position = 2

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir / "taxi1500")

    def examples(self, language: str, split: str) -> list[LabelledText]:
        paths = self.paths(language, split)
        if not paths:
            raise MissingDataError(f"no {split} verses of {language}: {self.folder / language}/{split}.tsv is missing")
        records = read_records(paths, columns=("id", "label", "text"))
        require_columns(records, ["id", "text"])
        return [
            LabelledText(text_of(record, "text"), label_index(record, "label", LABELS))
            for record in labelled(list(unique_by(records, "id").values()), "label")
        ]


TASK = ClassificationTask("taxi1500", LABELS, Taxi1500Corpus, ("macro_f1", "accuracy"), hub_data=(HUB,))
