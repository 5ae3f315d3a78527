"""Folders with files of their own for each language and split, in the layouts of the benchmarks and of the Hub."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from .opening import damaged, plain_name
from .records import DataError, Record, read_file, read_lines
from .report import list_files


__all__ = [
    "SPLIT_NAMES",
    "DataError",
    "Record",
    "SplitFolder",
    "read_lines",
    "read_records",
    "require_columns",
    "unique_by",
    "whole_shards",
]

# What the benchmarks and the Hub call the same split.
SPLIT_NAMES = {
    "train": ("train", "translated_train"),
    "dev": ("dev", "validation", "valid", "dev_2k"),
    "test": ("test", "test_2k"),
}
# Of several files of one split the first in this order is read. WikiANN's own have no suffix.
SUFFIXES = (".tsv", ".txt", ".csv", ".jsonl", ".json", "", ".parquet")
# A shard's number and the number of all, or its number alone in a folder of shards.
SHARD = re.compile(r"(?P<stem>.+)(?:-(?P<number>\d+)-of-(?P<all>\d+)|/(?P<alone>[^/]+))\.parquet", re.IGNORECASE)


class SplitFolder:
    """The files of a benchmark by language and split.

    The layouts are `CODE/split.tsv`, `split/CODE.tsv`, `CODE_split.tsv` and `split-CODE.tsv`, with another suffix or
    compressed too, and for Parquet also `CODE/split-00000-of-00001.parquet` and `CODE/split/0000.parquet`.

    Args:
        folder (`Path`): The folder of the benchmark.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, list[tuple[int, bool, Path]]] = defaultdict(list)
        self._shards: dict[str, list[Path]] = defaultdict(list)
        for path in list_files(folder):
            relative = path.relative_to(folder)
            if match := SHARD.fullmatch(relative.as_posix()):
                self._shards[match["stem"]].append(path)
            name = plain_name(path)
            suffix = Path(name).suffix.lower()
            if suffix in SUFFIXES:
                stem = relative.with_name(name[: len(name) - len(suffix)]).as_posix()
                self._files[stem].append((SUFFIXES.index(suffix), path.name != name, path))

    def find(self, language: str, split: str) -> list[Path]:
        """Find the files of a split of one language.

        Args:
            language (`str`): The language as the benchmark writes it.
            split (`str`): `"train"`, `"dev"` or `"test"`.

        Returns:
            `list[Path]`: The files, sorted; empty if there are none.
        """
        return next(iter(self.choices(language, split)), [])

    def choices(self, language: str, split: str) -> list[list[Path]]:
        """Find all that could be taken for a split of one language, of which the first is.

        Args:
            language (`str`): The language as the benchmark writes it.
            split (`str`): `"train"`, `"dev"` or `"test"`.

        Returns:
            `list[list[Path]]`: The files of each choice.

        Raises:
            DataError: If some of its shards are missing.
        """
        found: list[list[Path]] = []
        for name in SPLIT_NAMES[split]:
            for stem in (f"{language}/{name}", f"{name}/{language}", f"{language}_{name}", f"{name}-{language}"):
                found.extend([path] for _, _, path in sorted(self._files.get(stem, ())))
            if shards := self._shards.get(f"{language}/{name}"):
                found.append(whole_shards(shards))
        return found

    def names(self, splits: Iterable[str] = ("test", "dev", "train")) -> list[str]:
        """List the languages of a benchmark, as the benchmark writes them.

        Args:
            splits (`Iterable[str]`, *optional*): The splits of which a language must have one.

        Returns:
            `list[str]`: The names of which [`find`] finds a file, sorted.
        """
        split_names = {name for names in SPLIT_NAMES.values() for name in names}
        found = set()
        for stem in [*self._files, *self._shards]:
            for name in (name for split in splits for name in SPLIT_NAMES[split]):
                for before, after in (("", f"/{name}"), (f"{name}/", ""), ("", f"_{name}"), (f"{name}-", "")):
                    # No shard is in a layout of these, but that of `CODE/split`.
                    if stem not in self._files and after != f"/{name}":
                        continue
                    language = stem.removeprefix(before).removesuffix(after)
                    if stem == f"{before}{language}{after}" and language and "/" not in language:
                        found.add(language)
        # `translated_train` is no language `translated`, and `dev_2k` is none either.
        return sorted(name for name in found - split_names if not self._is_part_of_a_split(name))

    def _is_part_of_a_split(self, name: str) -> bool:
        return any(other.startswith(f"{name}_") for names in SPLIT_NAMES.values() for other in names)


def whole_shards(shards: Sequence[Path]) -> list[Path]:
    """Check that no shard of Parquet is missing: a part of a split would be scored for all of it.

    Args:
        shards (`Sequence[Path]`): The files of a split. Names without numbers say nothing.

    Returns:
        `list[Path]`: The same.

    Raises:
        DataError: Naming the first that is missing.
    """
    numbers, total = [], 0
    for path in shards:
        match = re.search(r"(\d+)(?:-of-(\d+))?\.parquet$", path.name, re.IGNORECASE)
        if match is None:
            return list(shards)
        numbers.append(int(match[1]))
        total = max(total, int(match[2] or 0))
    missing = sorted(set(range(max(total, max(numbers, default=-1) + 1))) - set(numbers))
    if missing:
        raise damaged(shards[0].parent, f"shard {missing[0]} of the files like {shards[0].name} is missing")
    return list(shards)


def read_records(paths: Sequence[Path], *, columns: Sequence[str] | None = None, quoted: bool = False) -> list[Record]:
    """Read the items of one split, whatever its format: TSV, CSV, JSON lines or Parquet.

    Args:
        paths (`Sequence[Path]`): The files of the split, as [`SplitFolder.find`] returns them.
        columns (`Sequence[str]`, *optional*): Names for the columns of a text file without a header. By default the
            first line names them.
        quoted (`bool`, *optional*, defaults to `False`): Whether a TSV file quotes fields as CSV does.

    Returns:
        `list[Record]`: The items.

    Raises:
        DataError: If a line has another number of fields than the header, a quote is never closed, or there is no
            item at all.
    """
    records = [record for path in paths for record in read_file(path, columns, quoted)]
    if not records:
        raise DataError(f"{', '.join(map(str, paths))} has no items")
    return records


def require_columns(records: Sequence[Record], columns: Iterable[str]) -> None:
    """Check that every item has the columns that a task needs.

    Args:
        records (`Sequence[Record]`): The items.
        columns (`Iterable[str]`): The names.

    Raises:
        DataError: Naming the first place that lacks one.
    """
    columns = tuple(columns)
    for record in records:
        for column in columns:
            if record.values.get(column) is None:
                has = ", ".join(str(name) for name, value in record.values.items() if value is not None)
                raise DataError(f"{record.place} has no column {column!r}; it has {has[:200]}")


def unique_by(records: Iterable[Record], column: str) -> dict[str, Record]:
    """Index items by an id that must not repeat.

    Args:
        records (`Iterable[Record]`): The items.
        column (`str`): The column that holds the id.

    Returns:
        `dict[str, Record]`: Id to item, in the order of the file.

    Raises:
        DataError: Naming the place of an item without an id, or both places of an id that occurs twice.
    """
    index: dict[str, Record] = {}
    for record in records:
        value = record.values.get(column)
        if not isinstance(value, str | int):
            raise DataError(f"{record.place} has no id under {column!r}")
        key = str(value)
        if key in index:
            raise DataError(f"{record.place} repeats the id {key!r} of {index[key].place}")
        index[key] = record
    return index
