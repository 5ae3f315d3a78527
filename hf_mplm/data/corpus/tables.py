"""CSV and TSV with a line of column names."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .formats import compression_of
from .openers import open_binary
from .options import ReadOptions
from .parquet import need_column
from .segments import Places, Segment


__all__ = ["check_verses", "header_of", "is_tsv", "table_rows"]

_DELIMITERS = (",", ";", "\t", "|")
# What `csv` takes for a field is 131,072 characters otherwise; a document is longer.
_LONGEST_FIELD = 2**31 - 1
# A quote that is never closed takes the rest of the file into one field: after so much of it, it was no quote.
_LONGEST_ROW = 16 << 20


def is_tsv(name: str) -> bool:
    """Whether a file is a table by tabs, in which a quote is a character like any other."""
    inner = name.rpartition(".")[0] if compression_of(name) else name
    return inner.lower().endswith(".tsv")


def header_of(line: bytes, name: str, options: ReadOptions) -> tuple[str, list[str]]:
    """The character between fields, and the names of the columns, by a table's first line.

    Raises:
        ValueError: if there is no column of the text, or a column is there twice.
    """
    text = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
    if is_tsv(name):
        found = ("\t", text.split("\t"))
    else:
        headers = [(delimiter, next(csv.reader([text], delimiter=delimiter), [])) for delimiter in _DELIMITERS]
        found = next((header for header in headers if options.text_column in header[1]), headers[0])
    need_column(found[1], options)
    for column in (options.text_column, options.language_column):
        if Counter(found[1])[column] > 1:
            raise ValueError(f"it has several columns {column!r}, of which only one can be meant")
    return found


def check_verses(lines: Sequence[bytes], options: ReadOptions) -> None:
    """Raise `ValueError` if the lines of a TSV file are not an id, a tab and a sentence."""
    fields = [line.count(b"\t") + 1 for line in lines if line.strip()]
    if sum(n > 2 for n in fields) * 2 > len(fields):
        raise ValueError(
            f"most of its lines have {Counter(fields).most_common(1)[0][0]} columns, and its first line names none "
            f"{options.text_column!r}. Verses have an id, a tab and the sentence; where there are more columns, the "
            "first line must name them, and the one that holds the text is given with --text_column"
        )


def table_rows(
    segment: Segment, options: ReadOptions, places: Places, extra: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Rows of a table. What is no row is left out, and counted."""
    wanted = (options.text_column, options.language_column, *extra)
    with open_binary(segment.file.path) as handle:
        lines = _Lines(handle)
        first = next(lines, "")
        delimiter, names = header_of(first.encode("utf-8", "surrogateescape"), segment.file.path, options)
        columns = [(name, names.index(name)) for name in wanted if name in names]
        rows = _split(lines) if is_tsv(segment.file.path) else _parse(lines, delimiter)
        for number, fields in rows:
            places.line = number
            if fields is None or (fields and len(fields) != len(names)):
                places.drop("invalid_row", segment.file.language)
            elif not fields or not any(fields):
                places.drop("blank", segment.file.language)
            else:
                yield {name: fields[i] for name, i in columns}


class _Lines:
    """Lines of a file, those of the present row kept to be given once more."""

    def __init__(self, handle: Iterable[bytes]) -> None:
        self._source = iter(handle)
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0
        self._size = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._size > _LONGEST_ROW:
            raise csv.Error("a row without an end")
        # Bytes that are not UTF-8 become lone surrogates, which are found, and counted, in the row that has them.
        line = self._again.popleft() if self._again else next(self._source).decode("utf-8", "surrogateescape")
        self.taken.append(line)
        self.number += 1
        self._size += len(line)
        return line

    def begin_row(self) -> None:
        self.taken, self._size = [], 0

    def give_back(self) -> None:
        """Go back to the line after the first of this row."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1


def _split(lines: _Lines) -> Iterator[tuple[int, list[str] | None]]:
    for line in lines:
        lines.begin_row()
        text = line.rstrip("\r\n")
        yield lines.number, text.split("\t") if text else []


def _parse(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_row()
        number = lines.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            lines.give_back()
            yield number, None
            # A reader that failed may hold a half-read row.
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        yield number, fields
