"""The files of a corpus, the pieces in which they are read, and the places that reports name."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq

from .formats import compression_of
from .openers import name_damage, open_binary
from .report import CorpusReport


__all__ = ["Places", "Segment", "SourceFile", "raw_lines", "split_into_segments"]

# Text compresses to between a third and a fifth.
_COMPRESSION_RATIO = 4
# Kinds that can be cut at any line.
_LINE_KINDS = ("text", "verses", "jsonl")


@dataclass(frozen=True)
class SourceFile:
    """One file of a corpus, or one configuration of a Hub dataset.

    Args:
        kind (`str`): `text`, `verses`, `table`, `jsonl`, `json_array`, `parquet` or `hub`.
        path (`str`): what is opened.
        name (`str`): how reports name it.
        size (`int`): bytes; shards for a Hub configuration.
        language (`str`, *optional*): the code that the name carries; rows may say otherwise.
        config (`str`, *optional*): configuration of a Hub dataset.
    """

    kind: str
    path: str
    name: str
    size: int
    language: str | None = None
    config: str | None = None

    @property
    def compressed(self) -> bool:
        """Whether the file is read through a decompressor, which cannot begin in the middle."""
        return self.kind != "hub" and compression_of(self.path) is not None


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
    """Cut a file into pieces of about `nominal_bytes`; a compressed file, a table and a JSON array stay whole.

    Raises:
        DamagedError: if it is Parquet that cannot be read.
    """
    if file.kind == "hub":
        return [Segment(file, shard, shard + 1, nominal_bytes) for shard in range(file.size)]
    if file.compressed:
        return [Segment(file, 0, file.size, _COMPRESSION_RATIO * file.size)]
    if file.kind == "parquet":
        with name_damage(file.name), pq.ParquetFile(file.path) as table:
            groups = [table.metadata.row_group(i).total_byte_size for i in range(table.metadata.num_row_groups)]
        return [Segment(file, i, i + 1, max(0, weight)) for i, weight in enumerate(groups)]
    if file.kind in ("table", "json_array"):  # a field may hold ends of lines
        return [Segment(file, 0, file.size, file.size)]
    n = max(1, math.ceil(file.size / nominal_bytes))
    cuts = [file.size * i // n for i in range(n + 1)]
    return [Segment(file, start, stop, stop - start) for start, stop in zip(cuts, cuts[1:])]


class Places:
    """Names lines as `file:line`. Lines before the segment are counted when the first place is asked for.

    Attributes:
        line (`int`): the line, or row, that is being read: of the segment where it is cut by lines, else of the file.
    """

    def __init__(self, segment: Segment, report: CorpusReport) -> None:
        self.segment = segment
        self.report = report
        self.line = 0
        is_cut = segment.file.kind in _LINE_KINDS and not segment.file.compressed
        self._before: int | None = None if is_cut else 0

    def __str__(self) -> str:
        if self._before is None:
            self._before = _newlines(self.segment)
        return f"{self.segment.file.name}:{self._before + self.line}"

    def drop(self, reason: str, language: str | None, said: str = "") -> None:
        """Count a line that is left out, and keep its place, and what it says, if it is among the first."""
        self.report.drop(reason, language)
        if self.report.wants_place(reason):
            self.report.place(reason, f"{self} ({said})" if said else str(self))

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
