"""Rows of a text and its language: of JSON, CSV and TSV, Parquet and the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hf_mplm.jobs.files import parse_json

from .cleaning import clean, decode, sentences_of
from .hub_source import hub_rows
from .json_arrays import raw_elements
from .openers import name_damage
from .options import ReadOptions
from .parquet import parquet_rows
from .quoting import shorten
from .report import CorpusReport
from .resolver import CodeResolver
from .segments import Places, Segment, raw_lines
from .tables import table_rows


__all__ = ["read_records"]

# Enough text to tell a script from.
_SCRIPT_CHARACTERS = 2000


def read_records(
    segment: Segment, options: ReadOptions, report: CorpusReport, extra: Sequence[str] = ()
) -> Iterator[tuple[dict[str, Any], str, list[str]]]:
    """Read the rows of one segment whose language is known and wanted.

    Args:
        segment (`Segment`): what to read.
        options (`ReadOptions`): columns, languages.
        report (`CorpusReport`): receives the counts.
        extra (`Sequence[str]`, *optional*): further columns that the rows are to have, where the file has them.

    Yields:
        `tuple[dict[str, Any], str, list[str]]`: the row, its code, and the sentences of its text.

    Raises:
        DamagedError: if the file cannot be read to its end.
    """
    places = Places(segment, report)
    resolver = CodeResolver(options)
    hint = segment.file.language
    with name_damage(segment.file.name):
        for row in _rows(segment, options, places, extra):
            language = _language_of(row, places, resolver, hint)
            if language is not None and resolver.wants(language):
                yield row, language, sentences_of(row[options.text_column], language, places)


def _rows(segment: Segment, options: ReadOptions, places: Places, extra: Sequence[str]) -> Iterator[dict[str, Any]]:
    kind = segment.file.kind
    if kind == "jsonl":
        return _json_rows(raw_lines(segment, places), places)
    if kind == "json_array":
        return _json_rows(raw_elements(segment, places), places)
    if kind == "table":
        return table_rows(segment, options, places, extra)
    if kind == "parquet":
        return parquet_rows(segment, options, places, extra)
    return hub_rows(segment, options, places, extra)


def _json_rows(raws: Iterator[bytes], places: Places) -> Iterator[dict[str, Any]]:
    hint = places.segment.file.language
    for raw in raws:
        line = decode(raw, hint, places)
        text = None if line is None else clean(line, hint, places)
        if text is None:
            continue
        try:
            row = parse_json(text)
        except ValueError:
            row = None
        if isinstance(row, dict):
            yield row
        else:
            places.drop("invalid_json", hint)


def _language_of(row: dict[str, Any], places: Places, resolver: CodeResolver, hint: str | None) -> str | None:
    """The code of a row, whose text becomes a string; None, and counted, if it has no text or no language."""
    options = resolver.options
    text = row.get(options.text_column)
    if isinstance(text, bytes):
        text = row[options.text_column] = decode(text, hint, places)
        if text is None:
            return None
    if not isinstance(text, str):
        places.drop("missing_text", hint)
        return None
    if options.language_column not in row and hint is not None:
        return hint
    code = row.get(options.language_column)
    if isinstance(code, bytes):
        code = code.decode("utf-8", errors="backslashreplace")
    if not isinstance(code, str) or not code:
        places.drop("missing_language", hint)
        return None
    try:
        language = resolver.parse_row(code, text[:_SCRIPT_CHARACTERS], hint)
    except ValueError:
        places.drop("unknown_language", None, said=shorten(code, 40))
        return None
    if language is None:
        places.drop("no_script", None)
    return language
