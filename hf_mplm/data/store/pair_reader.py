"""Sentences with their romanisations, read from a romanised corpus or romanised on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

import pyarrow.parquet as pq

from ..corpus.readers import Places, Segment, raw_lines, read_records, read_segment
from ..corpus.report import CorpusReport
from ..corpus.sources import ReadOptions
from ..romanization.romanizer import Romanizer


__all__ = ["ROMANIZED_COLUMN", "read_pairs", "romanize_missing"]

ROMANIZED_COLUMN = "romanized"
"""What `hf-mplm romanize` calls the column, beside `text` and `language`."""

_ROWS = 1000


def read_pairs(segment: Segment, options: ReadOptions, report: CorpusReport) -> Iterator[tuple[str, str, str | None]]:
    """Read the sentences of one segment with their romanisations, where the corpus has a column of them.

    Args:
        segment (`Segment`): what to read.
        options (`ReadOptions`): columns, languages.
        report (`CorpusReport`): receives the counts.

    Yields:
        `tuple[str, str, str | None]`: code, sentence, and its romanisation; an empty one where the column has no
        text, None where there is no column.
    """
    if not _is_romanized(segment):
        yield from ((language, text, None) for language, text in read_segment(segment, options, report))
        return
    latest: dict[str, Any] = {}

    def rows() -> Iterator[dict[str, Any]]:
        for row in _rows(segment, options):
            latest["romanized"] = row.get(ROMANIZED_COLUMN)
            # A text of several lines becomes several sentences, which are romanised anew.
            latest["is_whole"] = "\n" not in str(row.get(options.text_column))
            yield row

    # One row is asked for when all sentences of the one before were taken, so that `latest` is their row.
    for language, text in read_records(segment, rows(), options, report):
        romanized = latest["romanized"]
        yield language, text, (romanized if isinstance(romanized, str) else "") if latest["is_whole"] else None


def romanize_missing(
    pairs: list[tuple[str, str, str | None]], use_language_codes: bool, report: CorpusReport
) -> list[tuple[str, str, str]]:
    """Romanise what has no romanisation, and leave out, and count, what has none in the end.

    Args:
        pairs (`list[tuple[str, str, str | None]]`): what [`read_pairs`] gave.
        use_language_codes (`bool`): tell uroman the language.
        report (`CorpusReport`): receives the counts.

    Returns:
        `list[tuple[str, str, str]]`: code, sentence and romanisation.
    """
    kept = []
    for language, text, given in pairs:
        reason = "no_romanization"
        romanized = given
        if given is None:
            romanizer = _romanizer(use_language_codes)
            failed = romanizer.counts.failed
            romanized = romanizer([text], [language])[0]
            if romanizer.counts.failed > failed:
                reason = "uroman_failed"
        if romanized and not romanized.isspace():
            kept.append((language, text, romanized))
        else:
            report.drop(reason, language)
            report.counts[language] -= 1
    return kept


@lru_cache(maxsize=1)
def _romanizer(use_language_codes: bool) -> Romanizer:
    # One a process, so that its cache serves everything that the process reads.
    return Romanizer(use_language_codes, on_error="empty")


@lru_cache(maxsize=8)
def _columns(kind: str, path: str) -> frozenset[str]:
    if kind == "parquet":
        with pq.ParquetFile(path) as table:
            return frozenset(table.schema_arrow.names)
    from ..corpus.sources import open_binary

    with open_binary(path) as handle:
        for line in islice(handle, 20):
            try:
                row = json.loads(line.decode("utf-8-sig", errors="ignore"))
            except json.JSONDecodeError:
                continue
            if isinstance(row, dict):
                return frozenset(row)
    return frozenset()


def _is_romanized(segment: Segment) -> bool:
    file = segment.file
    return file.kind in ("parquet", "jsonl") and ROMANIZED_COLUMN in _columns(file.kind, file.path)


def _rows(segment: Segment, options: ReadOptions) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet or JSONL segment; the key `""` holds the row's number."""
    if segment.file.kind == "jsonl":
        for number, raw in enumerate(raw_lines(segment, Places(segment, CorpusReport())), start=1):
            try:
                row = json.loads(raw.decode("utf-8-sig"))
            except (json.JSONDecodeError, UnicodeDecodeError):
                row = None
            # What is no object has no text, and is counted as that.
            yield {**(row if isinstance(row, dict) else {}), "": number}
        return
    with pq.ParquetFile(segment.file.path) as table:
        names = table.schema_arrow.names
        number = sum(table.metadata.row_group(i).num_rows for i in range(segment.start))
        columns = [name for name in (options.text_column, options.language_column, ROMANIZED_COLUMN) if name in names]
        groups = list(range(segment.start, segment.stop))
        for batch in table.iter_batches(batch_size=_ROWS, row_groups=groups, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield {"": number, **row}
