"""From the bytes of a corpus to its sentences: what is split, cleaned and dropped, and counted."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .report import CorpusReport
from .sources import CodeResolver, ReadOptions, SourceFile, open_binary, text_values


__all__ = ["Places", "Segment", "raw_lines", "read_records", "read_segment", "split_into_segments"]

_BOM = "\ufeff"
_PARQUET_ROWS = 1000
# Text compresses to between a third and a fifth.
_GZIP_RATIO = 4
# Enough text to tell a script from.
_SCRIPT_CHARACTERS = 2000

Note = Callable[[str, str], None]


@dataclass(frozen=True)
class Segment:
    """A piece of a file that is read on its own.

    Args:
        file (`SourceFile`): the file.
        start (`int`): byte; row group of Parquet; shard of a Hub configuration.
        stop (`int`): the same, exclusive. A line belongs to the segment in which it begins.
        weight (`int`): estimated bytes of text.
    """

    file: SourceFile
    start: int
    stop: int
    weight: int


def split_into_segments(file: SourceFile, nominal_bytes: int) -> list[Segment]:
    """Cut a file into pieces of about `nominal_bytes`; a gzip file stays whole."""
    if file.kind == "hub":
        return [Segment(file, shard, shard + 1, nominal_bytes) for shard in range(file.size)]
    if file.compressed:
        return [Segment(file, 0, file.size, _GZIP_RATIO * file.size)]
    if file.kind == "parquet":
        with pq.ParquetFile(file.path) as table:
            groups = [table.metadata.row_group(i).total_byte_size for i in range(table.metadata.num_row_groups)]
        return [Segment(file, i, i + 1, weight) for i, weight in enumerate(groups)]
    n = max(1, math.ceil(file.size / nominal_bytes))
    cuts = [file.size * i // n for i in range(n + 1)]
    return [Segment(file, start, stop, stop - start) for start, stop in zip(cuts, cuts[1:])]


def read_segment(segment: Segment, options: ReadOptions, report: CorpusReport) -> Iterator[tuple[str, str]]:
    """Read the sentences of one segment.

    Args:
        segment (`Segment`): what to read.
        options (`ReadOptions`): columns, languages.
        report (`CorpusReport`): receives the counts.

    Yields:
        `tuple[str, str]`: code and sentence.

    Raises:
        ValueError: on a code that is none, with its place, and on a compressed or Parquet file that is damaged.
    """
    try:
        yield from _read(segment, options, report)
    except (EOFError, gzip.BadGzipFile, zlib.error, pa.ArrowInvalid) as error:
        raise ValueError(
            f"{segment.file.name} is damaged or cut short ({error}); fetch it again, and repeat the command"
        ) from error


def _read(segment: Segment, options: ReadOptions, report: CorpusReport) -> Iterator[tuple[str, str]]:
    kind = segment.file.kind
    if kind in ("text", "verses"):
        yield from _read_lines(segment, report)
    elif kind == "jsonl":
        yield from _read_jsonl(segment, options, report)
    elif kind == "parquet":
        yield from read_records(segment, _parquet_rows(segment, options), options, report)
    else:
        from .hub_source import hub_rows

        yield from read_records(segment, hub_rows(segment, options), options, report)


class Places:
    """Names lines as `file:line`. Lines before the segment are counted when the first place is asked for."""

    def __init__(self, segment: Segment, report: CorpusReport) -> None:
        self.segment = segment
        self.report = report
        self.line = 0
        self._before: int | None = None

    def __str__(self) -> str:
        if self._before is None:
            self._before = 0 if self.segment.file.compressed else _newlines(self.segment)
        return f"{self.segment.file.name}:{self._before + self.line}"

    def drop(self, reason: str, language: str | None) -> None:
        """Count a line that is left out, and keep its place if it is among the first."""
        self.report.drop(reason, language)
        if self.report.wants_place(reason):
            self.report.place(reason, str(self))

    def clean(self, reason: str, language: str | None) -> None:
        """Count a line that is kept in a changed form, and keep its place if it is among the first."""
        self.report.clean(reason, language)
        if self.report.wants_place(reason):
            self.report.place(reason, str(self))


def _newlines(segment: Segment) -> int:
    """Lines that begin before the segment."""
    if segment.start == 0:
        return 0
    with open(segment.file.path, "rb") as handle:
        left, n, last = segment.start, 0, b""
        while left and (block := handle.read(min(left, 1 << 20))):
            left -= len(block)
            n += block.count(b"\n")
            last = block[-1:]
    return n + (last != b"\n")


def raw_lines(segment: Segment, places: Places) -> Iterator[bytes]:
    """The lines that begin in the segment, without their `\\n`."""
    with open_binary(segment.file.path) as handle:
        position = 0
        if segment.start and not segment.file.compressed:
            # The line that holds the byte before the segment belongs to the segment before.
            handle.seek(segment.start - 1)
            position = segment.start - 1 + len(handle.readline())
        stop = math.inf if segment.file.compressed else segment.stop
        while position < stop and (line := handle.readline()):
            position += len(line)
            places.line += 1
            yield line[:-1] if line.endswith(b"\n") else line


def _clean(text: str, language: str | None, places: Places) -> str | None:
    """One line without what no sentence should have; None if nothing is left."""
    if text.startswith(_BOM):
        text = text[1:]
        places.clean("bom", language)
    if text.endswith("\r"):
        text = text[:-1]
        places.clean("carriage_return", language)
    if "\0" in text:
        text = text.replace("\0", "")
        places.clean("nul", language)
    if not text or text.isspace():
        places.drop("blank", language)
        return None
    return text


def _decode(raw: bytes, language: str | None, places: Places) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        places.drop("invalid_utf8", language)
        return None


def _read_lines(segment: Segment, report: CorpusReport) -> Iterator[tuple[str, str]]:
    language = segment.file.language
    assert language is not None
    verses = segment.file.kind == "verses"
    places = Places(segment, report)
    for raw in raw_lines(segment, places):
        line = _decode(raw, language, places)
        text = None if line is None else _clean(line, language, places)
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


def _read_jsonl(segment: Segment, options: ReadOptions, report: CorpusReport) -> Iterator[tuple[str, str]]:
    places = Places(segment, report)
    resolver = CodeResolver(options)
    hint = segment.file.language
    for raw in raw_lines(segment, places):
        line = _decode(raw, hint, places)
        text = None if line is None else _clean(line, hint, places)
        if text is None:
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            places.drop("invalid_json", hint)
            continue
        yield from _record(row, places, resolver, hint)


def read_records(
    segment: Segment, rows: Iterator[dict[str, Any]], options: ReadOptions, report: CorpusReport
) -> Iterator[tuple[str, str]]:
    """Code and text of the sentences of some rows; the key `""` of a row holds its number."""
    places = Places(replace(segment, start=0), report)
    resolver = CodeResolver(options)
    for row in rows:
        places.line = row.pop("")
        yield from _record(row, places, resolver, segment.file.language)


def _record(
    row: dict[str, Any], places: Places, resolver: CodeResolver, hint: str | None
) -> Iterator[tuple[str, str]]:
    """The sentences of one row of JSONL, Parquet or a Hub dataset, whose text may have several lines."""
    options = resolver.options
    code, text = row.get(options.language_column), row.get(options.text_column)
    if isinstance(text, bytes):
        text = _decode(text, hint, places)
        if text is None:
            return
    if not isinstance(text, str):
        places.drop("missing_text", hint)
        return
    if options.language_column not in row and hint is not None:
        language = hint
    elif not isinstance(code, str) or not code:
        places.drop("missing_language", hint)
        return
    else:
        try:
            found = resolver.parse_row(code, text[:_SCRIPT_CHARACTERS], hint)
        except ValueError as error:
            raise ValueError(f"{places}: {error}") from error
        if found is None:
            places.drop("no_script", None)
            return
        language = found
    if not resolver.wants(language):
        return
    for line in text.split("\n"):
        sentence = _clean(line, language, places)
        if sentence is None:
            continue
        if _has_lone_surrogate(sentence):
            places.drop("invalid_utf8", language)
            continue
        places.report.count(language)
        yield language, sentence


def _has_lone_surrogate(text: str) -> bool:
    # JSON can spell half a surrogate pair ("\\ud800"), which is no character and which no tokenizer takes.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _parquet_rows(segment: Segment, options: ReadOptions) -> Iterator[dict[str, Any]]:
    """Rows of a row group; the key `""` holds the row's number. Text comes as bytes, so that a bad row is one row."""
    with pq.ParquetFile(segment.file.path) as table:
        names = table.schema_arrow.names
        number = sum(table.metadata.row_group(i).num_rows for i in range(segment.start))
        columns = [name for name in (options.text_column, options.language_column) if name in names]
        groups = list(range(segment.start, segment.stop))
        for batch in table.iter_batches(batch_size=_PARQUET_ROWS, row_groups=groups, columns=columns):
            values = {name: batch.column(name).to_pylist() for name in columns if name != options.text_column}
            values[options.text_column] = text_values(batch.column(options.text_column))
            for i in range(batch.num_rows):
                number += 1
                yield {"": number, **{name: column[i] for name, column in values.items()}}
