"""What ships with the package: 40 language-scripts of SIB-200 (see ATTRIBUTION.md), and an encoder to start from.

Imports nothing of the package.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hf_mplm._lists import as_list

from .start import START_FILE, pack_start, start_file, start_languages, write_start


if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "SPLITS",
    "START_FILE",
    "SampleRow",
    "iter_sample",
    "pack_start",
    "sample_languages",
    "start_file",
    "start_languages",
    "write_benchmark",
    "write_corpus",
    "write_start",
]

#: The parts of a language's sentences, as SIB-200 divides them.
SPLITS = ("train", "dev", "test")


class SampleRow(NamedTuple):
    """One sentence of the sample; rows of different languages with the same `index_id` are translations."""

    language: str
    split: str
    index_id: int
    category: str
    text: str


def sample_languages() -> list[str]:
    """Codes of the language-scripts in the sample, sorted."""
    return sorted(set(_table().column("language").cast("string").to_pylist()))


def iter_sample(languages: str | Sequence[str] | None = None, split: str | None = None) -> Iterator[SampleRow]:
    """Yield the rows of the sample in a fixed order.

    Args:
        languages (`str` or `Sequence[str]`, *optional*): codes to keep, in this order; all by default.
        split (`str`, *optional*): `train`, `dev` or `test`; all by default.

    Yields:
        [`SampleRow`]: one sentence.

    Raises:
        ValueError: a language that the sample does not hold, or an unknown split.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"the sample has the splits {', '.join(SPLITS)}, not {split!r}")
    known = sample_languages()
    for language in as_list(known if languages is None else languages):
        if language not in known:
            near = difflib.get_close_matches(language, known, n=3, cutoff=0.3)
            raise ValueError(
                f"the sample does not hold {language!r}; near: {', '.join(near)}; all: {', '.join(known)}"
            )
        table = _of_language(language)
        for row in table.to_pylist():
            if split is None or row["split"] == split:
                yield SampleRow(**row)


def write_corpus(folder: str | Path, languages: str | Sequence[str] | None = None) -> Path:
    """Write the training sentences as a corpus folder, `CODE.txt` with one sentence a line.

    Development and test sentences stay out, so that whatever is trained on the folder can be measured on them. The
    benchmark itself repeats one test sentence (Moroccan Arabic) and one development sentence (Bambara) among its
    training sentences; those two are left out as well.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for language in as_list(sample_languages() if languages is None else languages):
        rows = list(iter_sample([language]))
        held_out = {row.text for row in rows if row.split != "train"}
        lines = [row.text for row in rows if row.split == "train" and row.text not in held_out]
        (folder / f"{language}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return folder


def write_benchmark(data_dir: str | Path, languages: str | Sequence[str] | None = None) -> Path:
    """Write `sib200/CODE/{train,dev,test}.tsv` below `data_dir`, in the benchmark's own format."""
    data_dir = Path(data_dir)
    for language in as_list(sample_languages() if languages is None else languages):
        folder = data_dir / "sib200" / language
        folder.mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            with open(folder / f"{split}.tsv", "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, delimiter="\t", lineterminator="\n")
                writer.writerow(["index_id", "category", "text"])
                writer.writerows((row.index_id, row.category, row.text) for row in iter_sample([language], split))
    return data_dir


@cache
def _table() -> pa.Table:
    import pyarrow.parquet

    with resources.as_file(resources.files(__name__) / "sib200.parquet") as path:
        return pyarrow.parquet.read_table(path)


def _of_language(language: str) -> pa.Table:
    import pyarrow.compute

    table = _table()
    return table.filter(pyarrow.compute.equal(table.column("language").cast("string"), language))
