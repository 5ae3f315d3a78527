"""Sentences with their romanisations, read from a romanised corpus or romanised on the way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..corpus.options import ReadOptions
from ..corpus.readers import read_segment
from ..corpus.records import read_records
from ..corpus.report import CorpusReport
from ..corpus.segments import Segment
from ..romanization.romanizer import Romanizer


__all__ = ["ROMANIZED_COLUMN", "read_pairs", "romanize_missing"]

ROMANIZED_COLUMN = "romanized"
"""What `hf-mplm romanize` calls the column, beside `text` and `language`."""


def read_pairs(segment: Segment, options: ReadOptions, report: CorpusReport) -> Iterator[tuple[str, str, str | None]]:
    """Read the sentences of one segment with their romanisations, where its rows have them.

    Every row is judged by itself: one that lacks its romanisation beside others that have theirs is romanised.

    Args:
        segment (`Segment`): what to read.
        options (`ReadOptions`): columns, languages.
        report (`CorpusReport`): receives the counts.

    Yields:
        `tuple[str, str, str | None]`: code, sentence, and its romanisation; an empty one where the row has one
        without text, None where the row has none.
    """
    if segment.file.kind in ("text", "verses"):
        yield from ((language, text, None) for language, text in read_segment(segment, options, report))
        return
    for row, language, sentences in read_records(segment, options, report, extra=(ROMANIZED_COLUMN,)):
        # A text of several lines becomes several sentences, which are romanised anew.
        is_whole = "\n" not in row[options.text_column]
        given = _romanized(row[ROMANIZED_COLUMN]) if is_whole and ROMANIZED_COLUMN in row else None
        yield from ((language, sentence, given) for sentence in sentences)


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


def _romanized(value: Any) -> str:
    """What a row gives as its romanisation; an empty text for what is no text."""
    if isinstance(value, str):
        value = value.encode("utf-8", errors="surrogatepass")
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else ""
    except UnicodeDecodeError:
        return ""
