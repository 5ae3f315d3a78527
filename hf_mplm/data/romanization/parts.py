"""The unit of work of romanising a corpus: some text in, its romanisation out, finished or not there at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hf_mplm.jobs.files import atomic_write
from hf_mplm.jobs.parts import read_result, write_result

from ..corpus.options import ReadOptions
from ..corpus.readers import read_segment
from ..corpus.report import CorpusReport
from ..corpus.segments import Segment
from .romanizer import Romanizer


__all__ = ["RomanizedPart", "RomanizedResult", "finished_part", "romanize_part"]


# Sentences that are romanised, and written as one row group, at a time.
_BATCH = 4096

_SCHEMA = pa.schema({"text": pa.string(), "romanized": pa.string(), "language": pa.string()})


@dataclass(frozen=True)
class RomanizedPart:
    """A piece of the corpus that is romanised on its own.

    Args:
        index (`int`): Its place in the corpus.
        folder (`str`): Where its result is written.
        segments (`tuple[Segment, ...]`): What it reads.
        options (`ReadOptions`): How it reads.
        output_format (`str`): `"parquet"` or `"jsonl"`.
        use_language_codes (`bool`): Whether uroman is told the language.
        cache_file (`str`, *optional*): Units that processes share.
    """

    index: int
    folder: str
    segments: tuple[Segment, ...]
    options: ReadOptions
    output_format: str
    use_language_codes: bool
    cache_file: str | None = None

    @property
    def path(self) -> Path:
        """Its output; the counts stand beside it, as JSON."""
        return Path(self.folder) / f"{self.index:07d}.{self.output_format}"

    @property
    def weight(self) -> int:
        """Estimated bytes of text."""
        return sum(segment.weight for segment in self.segments)


@dataclass
class RomanizedResult:
    """What a finished part, or all of them, counted.

    Attributes:
        report (`CorpusReport`): Sentences kept and left out, by language.
        unchanged (`dict[str, int]`): Sentences kept that romanise as themselves, by language.
    """

    report: CorpusReport = field(default_factory=CorpusReport)
    unchanged: dict[str, int] = field(default_factory=dict)

    def merge(self, other: RomanizedResult) -> None:
        """Adds the counts of a later part."""
        self.report.merge(other.report)
        for language, n in other.unchanged.items():
            self.unchanged[language] = self.unchanged.get(language, 0) + n

    def to_dict(self) -> dict[str, Any]:
        """The counts as JSON holds them."""
        report = self.report.to_dict()
        return {"sentences": report.pop("counts"), "unchanged": dict(sorted(self.unchanged.items())), **report}


def finished_part(part: RomanizedPart, *, verify: bool = True) -> RomanizedResult | None:
    """Reads the counts of a part; `None` if it is not finished.

    Args:
        part (`RomanizedPart`): The part.
        verify (`bool`, *optional*, defaults to `True`): Whether to hold its text against its digest.
    """
    found = read_result(_counts_path(part), part.path, ("report", "unchanged"), verify=verify)
    return None if found is None else RomanizedResult(CorpusReport.from_dict(found["report"]), found["unchanged"])


def romanize_part(part: RomanizedPart) -> dict[str, int]:
    """Romanises one part and writes its result; the counts come last, so that a part that has them is whole.

    Args:
        part (`RomanizedPart`): What to do.

    Returns:
        `dict[str, int]`: `sentences` and `weight`, for the progress bar.
    """
    romanizer = _romanizer(part.use_language_codes, part.cache_file)
    result = RomanizedResult()
    with atomic_write(part.path) as handle:
        write = _write_parquet if part.output_format == "parquet" else _write_jsonl
        write(handle, _batches(part, romanizer, result))
    romanizer.save()
    found = {"report": result.report.to_dict(), "unchanged": result.unchanged}
    write_result(_counts_path(part), part.path, found)
    return {"sentences": sum(result.report.counts.values()), "weight": part.weight}


@lru_cache(maxsize=1)
def _romanizer(use_language_codes: bool, cache_file: str | None) -> Romanizer:
    # One a process, so that its cache serves all parts that the process romanises.
    return Romanizer(use_language_codes, cache_file=cache_file, on_error="empty")


def _counts_path(part: RomanizedPart) -> Path:
    return part.path.with_suffix(".json")


def _batches(part: RomanizedPart, romanizer: Romanizer, result: RomanizedResult) -> Iterator[list[dict[str, str]]]:
    report = result.report
    rows = (row for segment in part.segments for row in read_segment(segment, part.options, report))
    while batch := list(islice(rows, _BATCH)):
        kept = []
        for language, text in batch:
            failed = romanizer.counts.failed
            romanized = romanizer([text], [language])[0]
            if romanized.strip():
                kept.append({"text": text, "romanized": romanized, "language": language})
                result.unchanged[language] = result.unchanged.get(language, 0) + (romanized == text)
                continue
            report.drop("uroman_failed" if romanizer.counts.failed > failed else "no_romanization", language)
            report.counts[language] -= 1
            if not report.counts[language]:
                del report.counts[language]
        if kept:
            yield kept


def _write_parquet(handle: IO[bytes], batches: Iterator[list[dict[str, str]]]) -> None:
    with pq.ParquetWriter(handle, _SCHEMA, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_pylist(batch, schema=_SCHEMA))


def _write_jsonl(handle: IO[bytes], batches: Iterator[list[dict[str, str]]]) -> None:
    for batch in batches:
        handle.writelines((json.dumps(row, ensure_ascii=False) + "\n").encode() for row in batch)
