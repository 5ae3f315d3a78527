"""A look at the beginning of a file: what it holds, its columns, and text to tell its script from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hf_mplm.jobs.files import parse_json

from .encodings import refuse_other_encodings
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
        # The last line of the sample, whole.
        lines = (sample + handle.readline()).split(b"\n")
        if kind in ("json", "jsonl"):
            return Sample(
                "jsonl", *_look_into_json(itertools.chain(lines, itertools.islice(handle, _LINES)), kind, options)
            )
    text = sample.decode("utf-8-sig", errors="ignore")
    first = next((line for line in lines if line.strip()), b"")
    if kind == "verses" and options.text_column in first.decode("utf-8-sig", errors="replace").split("\t"):
        kind = "table"
    if kind == "table":
        return Sample(kind, frozenset(header_of(lines[0], path.name, options)[1]), text)
    if kind == "verses":
        check_verses(lines if len(sample) < _SAMPLE_BYTES else lines[:-1], options)
    return Sample(kind, None, text)


def _look_into_json(lines: Iterable[bytes], kind: str, options: ReadOptions) -> tuple[frozenset[str], str]:
    """The columns of the first rows, none if there are none, and their text."""
    columns: set[str] = set()
    texts: list[str] = []
    first, number, commas = b"", 0, 0
    for line in lines:
        first = first or line.strip()[:1]
        number += bool(line.strip())
        commas += line.rstrip().endswith(b",")
        try:
            row = parse_json(line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="ignore"))
        except ValueError:
            continue
        if isinstance(row, dict):
            columns |= set(row)
            texts.append(str(row.get(options.text_column, ""))[:_SAMPLE_BYTES])
            if len(texts) == _SAMPLE_ROWS:
                break
    if kind == "json":
        # The last element of an array that is written in lines is a whole row.
        if first == b"[" and (2 * commas >= number or options.text_column not in columns):
            raise NotACorpusError("one JSON array, not a JSON object a line; write: jq -c '.[]' FILE > FILE.jsonl")
        if options.text_column not in columns:
            raise NotACorpusError(f"no JSON object a line with a column {options.text_column!r}")
    if texts:
        need_column(columns, options)
    return frozenset(columns), "\n".join(texts)
