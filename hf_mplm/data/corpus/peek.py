"""A look at the beginning of a file: what it holds, its columns, and text to tell its script from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hf_mplm.jobs.files import parse_json

from .encodings import refuse_other_encodings
from .json_arrays import NotAnArrayError, array_elements
from .openers import open_binary
from .options import ReadOptions
from .parquet import need_column, sample_parquet
from .tables import check_verses, header_of


__all__ = ["NotACorpusError", "Sample", "look_into"]

_SAMPLE_BYTES = 1 << 16
_SAMPLE_ROWS = 20
# So many lines may stand before the first that is a row.
_LINES = 1000


class NotACorpusError(ValueError):
    """A file whose name leaves open whether it is a corpus, and which is none."""


class Sample(NamedTuple):
    """What the beginning of a file says.

    Args:
        kind (`str`): as in [`SourceFile`].
        columns (`frozenset[str]`, *optional*): of rows; None for lines of text, whose name tells the language.
        text (`str`): some text.
    """

    kind: str
    columns: frozenset[str] | None
    text: str


def look_into(path: Path, kind: str, script: str | None, options: ReadOptions) -> Sample:
    """Read the beginning of a file.

    Args:
        path (`Path`): the file.
        kind (`str`): what its name says, as `format_of` gives it.
        script (`str`, *optional*): ISO 15924 code that its name says.
        options (`ReadOptions`): columns.

    Raises:
        NotACorpusError: if a `.json` file holds no rows of text.
        ValueError: if it is not UTF-8, or the column of the text is not there.
        OSError: if it cannot be read.
    """
    if kind == "parquet":
        return Sample(kind, *sample_parquet(path, options))
    with open_binary(path) as handle:
        sample = handle.read(_SAMPLE_BYTES)
        refuse_other_encodings(sample, path.name, script)
        if kind == "json" and (array := _look_into_array(path, options)):
            return array
        # The last line of the sample, whole.
        lines = (sample + handle.readline()).split(b"\n")
        if kind in ("json", "jsonl"):
            return _look_into_json(itertools.chain(lines, itertools.islice(handle, _LINES)), kind, options)
    text = sample.decode("utf-8-sig", errors="ignore")
    first = next((line for line in lines if line.strip()), b"")
    if kind == "verses" and options.text_column in first.decode("utf-8-sig", errors="replace").split("\t"):
        kind = "table"
    if kind == "table":
        return Sample(kind, frozenset(header_of(lines[0], path.name, options)[1]), text)
    if kind == "verses":
        check_verses(lines if len(sample) < _SAMPLE_BYTES else lines[:-1], options)
    return Sample(kind, None, text)


def _look_into_array(path: Path, options: ReadOptions) -> Sample | None:
    """The first rows of a file that is one JSON array; None if it is no such array, or none of them has a text."""
    with open_binary(path) as handle, suppress(NotAnArrayError):
        # What is damaged further on is an error of reading.
        rows = _Rows(options)
        for _, element in itertools.islice(array_elements(handle), _LINES):
            if rows.add(element):
                break
    return Sample("json_array", *rows.found()) if options.text_column in rows.columns else None


def _look_into_json(lines: Iterable[bytes], kind: str, options: ReadOptions) -> Sample:
    rows = _Rows(options)
    for line in lines:
        if rows.add(line.removeprefix(b"\xef\xbb\xbf")):
            break
    if kind == "json" and options.text_column not in rows.columns:
        raise NotACorpusError(f"no JSON object with a column {options.text_column!r}, in an array or one a line")
    if rows.texts:
        need_column(rows.columns, options)
    return Sample("jsonl", *rows.found())


class _Rows:
    """The columns of the first rows of a file, none if there are none, and their text."""

    def __init__(self, options: ReadOptions) -> None:
        self.column = options.text_column
        self.columns: set[str] = set()
        self.texts: list[str] = []

    def add(self, raw: bytes) -> bool:
        """Take a row, if it is one; whether there are enough of them."""
        try:
            row = parse_json(raw.decode("utf-8", errors="ignore"))
        except ValueError:
            row = None
        if isinstance(row, dict):
            self.columns |= set(row)
            self.texts.append(str(row.get(self.column, ""))[:_SAMPLE_BYTES])
        return len(self.texts) == _SAMPLE_ROWS

    def found(self) -> tuple[frozenset[str], str]:
        return frozenset(self.columns), "\n".join(self.texts)
