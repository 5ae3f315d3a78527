from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files.corpus import MissingDataError
from ..files.folder_corpus import FolderCorpus
from ..files.labels import labelled
from ..files.layouts import DataError, Record, read_records, require_columns
from ..files.names import Meaning
from ..files.records import text_of
from .classification import LabelledText


__all__ = ["CHINESE", "NLI_COLUMNS", "NLI_LABELS", "NLI_NAMES", "PairCorpus", "labelled_pairs"]

# The Hub's order, to which every other is mapped: AmericasNLI's own code counts the other way round.
NLI_LABELS = ("entailment", "neutral", "contradiction")
# MNLI's translated training files call a contradiction "contradictory"; Parquet files without names hold the numbers.
NLI_NAMES = {"entailment": 0, "neutral": 1, "contradiction": 2, "contradictory": 2, "0": 0, "1": 1, "2": 2}
# What the benchmarks call the two texts and the label.
NLI_COLUMNS = (
    ("premise", "hypothesis", "label"),
    ("premise", "hypo", "label"),
    ("sentence1", "sentence2", "gold_label"),
)


# In XNLI and PAWS-X Chinese is in simplified characters.
CHINESE = {"zh": Meaning("zho_Hans")}


def labelled_pairs(
    records: Sequence[Record], columns: Sequence[tuple[str, str, str]], names: Mapping[str, int]
) -> list[LabelledText]:
    """Turn the items of a file into pairs of texts with a label.

    Args:
        records (`Sequence[Record]`): The items.
        columns (`Sequence[tuple[str, str, str]]`): What the two texts and the label may be called; the first choice of
            which the first item has all three is taken.
        names (`Mapping[str, int]`): Label to its position.

    Returns:
        `list[LabelledText]`: The pairs.

    Raises:
        DataError: If a column is missing or a label is not known, naming file and line.
        RefusedDataError: If the labels are withheld.
    """
    chosen = next((choice for choice in columns if all(name in records[0].values for name in choice)), columns[0])
    first, second, label = chosen
    require_columns(records, (first, second))
    pairs = []
    for record in labelled(records, label):
        name = str(record.values[label])
        if name not in names:
            raise DataError(f"{record.place} has the label {name[:40]!r}, which is none of {', '.join(names)}")
        pairs.append(LabelledText(text_of(record, first), names[name], text_of(record, second)))
    return pairs


class PairCorpus(FolderCorpus[LabelledText]):
    """Pairs of texts with one file a language and split, as text with a header or as Parquet.

    Args:
        folder (`Path`): The folder of the benchmark.
        columns (`Sequence[tuple[str, str, str]]`): What the two texts and the label may be called.
        names (`Mapping[str, int]`): Label to its position.
        beside (`Sequence[Path]`, *optional*): Other files of the folder that are read.
    """

    meanings = CHINESE

    def __init__(
        self,
        folder: Path,
        columns: Sequence[tuple[str, str, str]],
        names: Mapping[str, int],
        beside: Sequence[Path] = (),
    ) -> None:
        self.columns, self.labels = columns, names
        self.text_columns = [choice[0] for choice in columns]
        super().__init__(folder, beside)

    def examples(self, language: str, split: str) -> list[LabelledText]:
        paths = self.paths(language, split)
        if not paths:
            raise MissingDataError(f"no {split} pairs of {language} under {self.folder}")
        return labelled_pairs(read_records(paths), self.columns, self.labels)
