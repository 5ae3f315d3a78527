"""The items of a benchmark's file, each with its place, for messages that name file and line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .opening import DataError, damaged, parse_value, plain_name, read_lines
from .tables import read_rows


__all__ = ["DataError", "Record", "read_file", "read_lines", "text_of"]

# A passage of a benchmark may be longer than the 131,072 characters that csv takes by default.
FIELD_LIMIT = (1 << 31) - 1


class Record(NamedTuple):
    """One item of a benchmark file and where it stands.

    Args:
        place (`str`): `"FILE:LINE"`, for messages.
        values (`Mapping[str, Any]`): Column name to value.
    """

    place: str
    values: Mapping[str, Any]


def text_of(record: Record, column: str) -> str:
    """Take a text out of an item.

    Args:
        record (`Record`): The item.
        column (`str`): The column that holds it.

    Returns:
        `str`: The text.

    Raises:
        DataError: If there is none, or it is no text.
    """
    value = record.values.get(column)
    if not isinstance(value, str):
        has = "no value" if value is None else f"a value of type {type(value).__name__}"
        raise DataError(f"{record.place} has {has} where the text {column!r} is due")
    return value


def read_file(path: Path, columns: Sequence[str] | None, quoted: bool) -> Iterator[Record]:
    """Read one file by its suffix.

    Args:
        path (`Path`): A TSV, CSV, JSON-lines or Parquet file, the text ones perhaps compressed.
        columns (`Sequence[str]`, *optional*): Names of the columns of a TSV file without a header.
        quoted (`bool`): Whether the fields of a TSV file may be quoted.

    Yields:
        `Record`: The items with their places.

    Raises:
        DataError: If the file is not what its suffix says.
    """
    suffix = Path(plain_name(path)).suffix.lower()
    if suffix == ".parquet":
        for number, values in enumerate(read_rows(path), start=1):
            yield Record(f"{path}:{number}", values)
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
        # The limit belongs to the process, where somebody else may have set it.
        limit = csv.field_size_limit(FIELD_LIMIT)
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path}:{number}: {error}; a field that opens with a quote must close with one"
            ) from error
        finally:
            csv.field_size_limit(limit)
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
            twice = next((name for name in header if header.count(name) > 1), None)
            if twice is not None:
                raise DataError(f"{path}:{number} names the column {twice!r} twice")
            continue
        if len(row) != len(header):
            raise DataError(
                f"{path}:{number} has {len(row)} fields instead of {len(header)} ({_cut(', '.join(header))})"
            )
        yield Record(f"{path}:{number}", dict(zip(header, row)))


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _read_json_lines(path: Path) -> Iterator[Record]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        values = parse_value(line, f"{path}:{number}")
        if not isinstance(values, dict):
            raise damaged(f"{path}:{number}", "it is not a JSON object", "Each line holds one, as {...}.")
        yield Record(f"{path}:{number}", values)
