"""The items of a benchmark's file, each with its place, for messages that name file and line."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .reads import note_read


__all__ = ["DataError", "Record", "read_file", "read_lines"]


class DataError(ValueError):
    """A file of a benchmark does not hold what its format promises. The message names the file and the line."""


class Record(NamedTuple):
    """One item of a benchmark file and where it stands.

    Args:
        place (`str`): `"FILE:LINE"`, for messages.
        values (`Mapping[str, Any]`): Column name to value.
    """

    place: str
    values: Mapping[str, Any]


def read_lines(path: Path) -> list[str]:
    r"""Read a text file as lines that end in `\n` alone, so that U+2028 and U+0085 stay inside a sentence.

    One `\r` at the end of a line is removed, as is a byte order mark. The last line may lack its `\n`.

    Args:
        path (`Path`): A UTF-8 file, which may be gzipped.

    Returns:
        `list[str]`: The lines.

    Raises:
        DataError: If a line is not UTF-8.
    """
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    note_read(path)
    with opener(path, "rb") as file:
        raw = file.read()
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    pieces = raw.split(b"\n")
    if pieces and not pieces[-1]:
        pieces.pop()
    lines = []
    for number, piece in enumerate(pieces, start=1):
        try:
            lines.append(piece.removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}:{number} is not UTF-8 ({error.reason} at byte {error.start} of the line)"
            ) from error
    return lines


def read_file(path: Path, columns: Sequence[str] | None, quoted: bool) -> Iterator[Record]:
    """Read one file by its suffix.

    Args:
        path (`Path`): A TSV, CSV, JSON-lines or Parquet file, the text ones perhaps gzipped.
        columns (`Sequence[str]`, *optional*): Names of the columns of a TSV file without a header.
        quoted (`bool`): Whether the fields of a TSV file may be quoted.

    Yields:
        `Record`: The items with their places.

    Raises:
        DataError: If the file is not what its suffix says.
    """
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix == ".parquet":
        yield from _read_parquet(path)
    elif suffix in (".jsonl", ".json"):
        yield from _read_json_lines(path)
    else:
        rows = (
            _quoted_rows(path, "," if suffix == ".csv" else "\t") if quoted or suffix == ".csv" else _plain_rows(path)
        )
        yield from _name_columns(path, rows, columns)


def _plain_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(read_lines(path), start=1):
        if line:
            yield number, line.split("\t")


def _quoted_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    # Each line that is given to the parser keeps its end, so that a quoted field may hold one.
    reader = csv.reader((f"{line}\n" for line in read_lines(path)), delimiter=delimiter, strict=True)
    number = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path}:{number}: {error}; a field that opens with a quote must close with one"
            ) from error
        if row:
            yield number, row
        number = reader.line_num + 1


def _name_columns(
    path: Path, rows: Iterator[tuple[int, list[str]]], columns: Sequence[str] | None
) -> Iterator[Record]:
    header = list(columns) if columns is not None else None
    for number, row in rows:
        if header is None:
            header = row
            continue
        if len(row) != len(header):
            raise DataError(f"{path}:{number} has {len(row)} fields instead of {len(header)} ({', '.join(header)})")
        yield Record(f"{path}:{number}", dict(zip(header, row)))


def _read_json_lines(path: Path) -> Iterator[Record]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}:{number} is not JSON: {error.msg}") from error
        if not isinstance(values, dict):
            raise DataError(f"{path}:{number} is not a JSON object")
        yield Record(f"{path}:{number}", values)


def _read_parquet(path: Path) -> Iterator[Record]:
    import pyarrow.parquet as pq

    note_read(path)
    table = pq.read_table(path)
    names = _class_names(table.schema.metadata or {})
    for number, values in enumerate(table.to_pylist(), start=1):
        for column, classes in names.items():
            # The Hub writes -1 for an item without a gold label.
            if isinstance(values.get(column), int) and 0 <= values[column] < len(classes):
                values[column] = classes[values[column]]
        yield Record(f"{path}:{number}", values)


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Read the names of class labels, which `datasets` keeps in the schema of its Parquet files."""
    if b"huggingface" not in metadata:
        return {}
    features = json.loads(metadata[b"huggingface"]).get("info", {}).get("features", {})
    return {
        column: feature["names"]
        for column, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and "names" in feature
    }
