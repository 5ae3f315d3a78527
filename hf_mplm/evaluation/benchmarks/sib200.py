"""SIB-200: seven topics of FLORES-200 sentences."""

from __future__ import annotations

from pathlib import Path

from ..files.corpus import MissingDataError
from ..files.folder_corpus import FolderCorpus
from ..files.hub_data import HubDataset
from ..files.labels import labelled
from ..files.layouts import read_records, require_columns, unique_by
from ..files.records import text_of
from ..kinds.classification import ClassificationTask, LabelledText, label_index


__all__ = ["LABELS", "TASK", "Sib200Corpus"]

HUB = HubDataset(
    "sib200",
    "Davlan/sib200",
    "38977a667f6fc264d5c26ec57a01e16db040b358",
    r"data/(?P<path>(?P<name>[a-z]{3}_[A-Z][a-z]{3})/(?P<split>train|dev|test)\.tsv)",
    "CC BY-SA 4.0",
)
LABELS = ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography")


class Sib200Corpus(FolderCorpus[LabelledText]):
    """TSV with a header and quoted fields (`index_id`, `category`, `text`) in `CODE/test.tsv`, or the same as Parquet.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir / "sib200")

    def examples(self, language: str, split: str) -> list[LabelledText]:
        paths = self.paths(language, split)
        if not paths:
            raise MissingDataError(
                f"no {split} sentences of {language}: {self.folder / language}/{split}.tsv is missing"
            )
        records = read_records(paths, quoted=True)
        require_columns(records, ["index_id", "text"])
        return [
            LabelledText(text_of(record, "text"), label_index(record, "category", LABELS))
            for record in labelled(list(unique_by(records, "index_id").values()), "category")
        ]


TASK = ClassificationTask("sib200", LABELS, Sib200Corpus, ("macro_f1", "accuracy"), hub_data=(HUB,))
