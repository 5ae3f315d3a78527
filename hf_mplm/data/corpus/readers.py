"""From a piece of a corpus to its sentences."""

from __future__ import annotations

from collections.abc import Iterator

from .cleaning import clean, decode
from .openers import name_damage
from .options import ReadOptions
from .records import read_records
from .report import CorpusReport
from .segments import Places, Segment, raw_lines


__all__ = ["read_segment"]


def read_segment(segment: Segment, options: ReadOptions, report: CorpusReport) -> Iterator[tuple[str, str]]:
    """Read the sentences of one segment.

    Args:
        segment (`Segment`): what to read.
        options (`ReadOptions`): columns, languages.
        report (`CorpusReport`): receives the counts.

    Yields:
        `tuple[str, str]`: code and sentence.

    Raises:
        DamagedError: if the file cannot be read to its end.
    """
    if segment.file.kind in ("text", "verses"):
        with name_damage(segment.file.name):
            yield from _read_lines(segment, report)
    else:
        for _, language, sentences in read_records(segment, options, report):
            for sentence in sentences:
                yield language, sentence


def _read_lines(segment: Segment, report: CorpusReport) -> Iterator[tuple[str, str]]:
    language = segment.file.language
    assert language is not None
    verses = segment.file.kind == "verses"
    places = Places(segment, report)
    for raw in raw_lines(segment, places):
        line = decode(raw, language, places)
        text = None if line is None else clean(line, language, places)
        if text is None:
            continue
        if verses:
            _, tab, text = text.partition("\t")
            if not tab:
                places.drop("missing_text", language)
                continue
            if not text or text.isspace():
                places.drop("blank", language)
                continue
        report.count(language)
        yield language, text
