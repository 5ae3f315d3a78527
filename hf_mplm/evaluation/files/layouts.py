from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hf_mplm.languages import parse_code

from .records import DataError, Record, read_file, read_lines


__all__ = [
    "DataError",
    "Record",
    "find_split",
    "list_folders",
    "read_lines",
    "read_records",
    "require_columns",
    "resolve_codes",
    "unique_by",
]

# What the benchmarks and the Hub call the same split.
SPLIT_NAMES = {
    "train": ("train", "translated_train"),
    "dev": ("dev", "validation", "valid", "dev_2k"),
    "test": ("test", "test_2k"),
}
TEXT_SUFFIXES = (".tsv", ".txt", ".csv", ".jsonl", ".json")


def read_records(paths: Sequence[Path], *, columns: Sequence[str] | None = None, quoted: bool = False) -> list[Record]:
    """Read the items of one split, whatever its format: TSV, CSV, JSON lines or Parquet.

    Args:
        paths (`Sequence[Path]`): The files of the split, as [`find_split`] returns them.
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


def find_split(folder: Path, language: str, split: str) -> list[Path]:
    """Find the files of a split of one language in the layouts of the benchmarks and of the Hub.

    The layouts are `CODE/split.tsv`, `split/CODE.tsv`, `CODE_split.tsv`, and with Parquet `CODE/split.parquet`,
    `CODE/split-00000-of-00001.parquet`, `CODE/split/0000.parquet` and `split/CODE.parquet`.

    Args:
        folder (`Path`): The folder of the benchmark.
        language (`str`): The language as the benchmark writes it.
        split (`str`): `"train"`, `"dev"` or `"test"`.

    Returns:
        `list[Path]`: The files, sorted; empty if there are none.
    """
    for name in SPLIT_NAMES[split]:
        stems = (f"{language}/{name}", f"{name}/{language}", f"{language}_{name}", f"{name}-{language}")
        for stem in stems:
            for suffix in TEXT_SUFFIXES:
                for path in (folder / f"{stem}{suffix}", folder / f"{stem}{suffix}.gz"):
                    if path.is_file():
                        return [path]
            if (folder / f"{stem}.parquet").is_file():
                return [folder / f"{stem}.parquet"]
        shards = sorted(folder.glob(f"{language}/{name}-*-of-*.parquet")) or sorted(
            folder.glob(f"{language}/{name}/*.parquet")
        )
        if shards:
            return shards
    return []


def list_folders(folder: Path, splits: Iterable[str] = ("test", "dev", "train")) -> list[str]:
    """List the languages of a benchmark, as the benchmark writes them.

    Args:
        folder (`Path`): The folder of the benchmark.
        splits (`Iterable[str]`, *optional*): The splits of which a language must have one.

    Returns:
        `list[str]`: The names of which [`find_split`] finds a file, sorted.
    """
    if not folder.is_dir():
        return []
    splits = tuple(splits)
    split_names = {name for split in SPLIT_NAMES for name in SPLIT_NAMES[split]}
    names: set[str] = set()
    for path in folder.rglob("*"):
        stem = path.name.removesuffix(".gz")
        if path.is_dir():
            names.add(path.name)
        elif stem.endswith((*TEXT_SUFFIXES, ".parquet")):
            stem = stem.rsplit(".", 1)[0]
            names.add(stem)
            for split_name in split_names:
                names.add(stem.removesuffix(f"_{split_name}"))
                names.add(stem.removeprefix(f"{split_name}-"))
    names -= split_names
    return sorted(name for name in names if any(find_split(folder, name, split) for split in splits))


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
                has = ", ".join(name for name, value in record.values.items() if value is not None)
                raise DataError(f"{record.place} has no column {column!r}; it has {has}")


def unique_by(records: Iterable[Record], column: str) -> dict[str, Record]:
    """Index items by an id that must not repeat.

    Args:
        records (`Iterable[Record]`): The items.
        column (`str`): The column that holds the id.

    Returns:
        `dict[str, Record]`: Id to item, in the order of the file.

    Raises:
        DataError: Naming both places of an id that occurs twice.
    """
    index: dict[str, Record] = {}
    for record in records:
        key = str(record.values[column])
        if key in index:
            raise DataError(f"{record.place} repeats the id {key!r} of {index[key].place}")
        index[key] = record
    return index


def resolve_codes(names: Iterable[str], sample: Callable[[str], str]) -> dict[str, str]:
    """Map language-script codes to the names by which a benchmark calls its languages.

    Args:
        names (`Iterable[str]`): Names such as `"cmn"`, `"zho_Hans"` or `"gn"`. What is no language is left out.
        sample (`Callable[[str], str]`): Gives some text of a language, from which a missing script is detected.

    Returns:
        `dict[str, str]`: For example `{"zho_Hans": "cmn"}`.

    Raises:
        DataError: If two names mean the same language-script.
    """
    codes: dict[str, str] = {}
    for name in names:
        try:
            # Without text, as in an empty file that has yet to be found faulty, the usual script is taken.
            code = parse_code(name, text=(None if "_" in name else sample(name)) or None).code
        except ValueError:
            continue
        if code in codes:
            raise DataError(f"{codes[code]!r} and {name!r} are both {code}; remove one of them")
        codes[code] = name
    return codes
