"""Which sentences of a corpus stand for a language: distinct ones, long enough, in the order of a seeded hash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hf_mplm.data.corpus.options import ReadOptions
from hf_mplm.data.corpus.readers import read_segment
from hf_mplm.data.corpus.report import CorpusReport
from hf_mplm.data.corpus.segments import Segment
from hf_mplm.data.tokenizing.encoding import hash_sentences
from hf_mplm.jobs.files import atomic_write
from hf_mplm.jobs.parts import read_result, write_result


__all__ = [
    "SelectedSentences",
    "SentencePart",
    "finished_sentences",
    "read_batches",
    "select_sentences",
    "write_selected",
]

_SCHEMA = pa.schema({"hash": pa.uint64(), "text": pa.large_string()})
# Sentences of which no more than the wanted ones are kept, so that memory follows these and not the text.
_WAITING = 1 << 16


@dataclass(frozen=True)
class SentencePart:
    """A piece of the corpus of which each language's sentences of the smallest hashes are kept.

    Args:
        index (`int`): its place in the corpus.
        folder (`str`): where its result is written.
        segments (`tuple[Segment, ...]`): what it reads.
        options (`ReadOptions`): how it reads.
        seed (`int`): of the hash.
        min_characters (`int`): shorter sentences are left out.
        max_sentences (`int`): most sentences of a language.
    """

    index: int
    folder: str
    segments: tuple[Segment, ...]
    options: ReadOptions
    seed: int
    min_characters: int
    max_sentences: int

    @property
    def weight(self) -> int:
        """Estimated bytes of text."""
        return sum(segment.weight for segment in self.segments)

    @property
    def path(self) -> Path:
        """Where its sentences stand; what was found stands beside, as JSON."""
        return Path(self.folder) / f"sentences-{self.index:07d}.arrow"


@dataclass
class SelectedSentences:
    """What was selected: of a part, or of all.

    Args:
        path (`Path`): an Arrow file whose record batches hold sentences of one language each, by rising hash.
        batches (`dict[str, list[tuple[int, int, int]]]`): language to its record batches: their number, their rows and
            their bytes.
        report (`CorpusReport`): what was read and left out.
    """

    path: Path
    batches: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    report: CorpusReport = field(default_factory=CorpusReport)

    def size(self, language: str) -> int:
        """Sentences of a language."""
        return sum(rows for _, rows, _ in self.batches[language])


def select_sentences(part: SentencePart) -> dict[str, int]:
    """Select the sentences of one part and write them.

    Args:
        part (`SentencePart`): what to do.

    Returns:
        `dict[str, int]`: `sentences` and `weight`, for the progress bar.
    """
    report = CorpusReport()
    kept: dict[str, dict[int, str]] = {}
    limits: dict[str, int] = {}
    for language, texts in _by_language(part, report):
        long = [text for text in texts if len(text) >= part.min_characters]
        _leave_out(report, language, "too_short", len(texts) - len(long))
        own = kept.setdefault(language, {})
        for number, text in zip(hash_sentences(long, part.seed).tolist() if long else (), long):
            if number in own:
                _leave_out(report, language, "duplicate", 1)
            elif number <= limits.get(language, number):
                own[number] = text
        if len(own) > part.max_sentences:
            smallest = sorted(own)[: part.max_sentences]
            limits[language] = smallest[-1]
            kept[language] = {number: own[number] for number in smallest}
    found = SelectedSentences(part.path, report=report)
    with atomic_write(part.path) as handle, pa.ipc.new_file(handle, _SCHEMA) as writer:
        for language in sorted(code for code, own in kept.items() if own):
            numbers = sorted(kept[language])
            batch = _record_batch(numbers, [kept[language][number] for number in numbers])
            found.batches[language] = [(len(found.batches), len(numbers), batch.nbytes)]
            writer.write_batch(batch)
    _write_found(found)
    return {"sentences": sum(report.counts.values()), "weight": part.weight}


def finished_sentences(part: SentencePart, *, verify: bool = True) -> SelectedSentences | None:
    """Read what a part selected; None if it is not finished.

    Args:
        part (`SentencePart`): the part.
        verify (`bool`, *optional*, defaults to `True`): whether to hold its sentences against their digest.
    """
    return _read_found(part.path, verify)


def write_selected(parts: Sequence[SelectedSentences], path: Path, bounds: Sequence[int]) -> SelectedSentences:
    """Put the parts' sentences together, each language's of the smallest hashes, cut into the rounds' batches.

    Languages are done one by one, so that memory holds the sentences of one.

    Args:
        parts (`Sequence[SelectedSentences]`): what was selected of each part of the corpus.
        path (`Path`): the Arrow file to write.
        bounds (`Sequence[int]`): sentences of a language up to the end of each round, rising; the last is the most.
    """
    done = _read_found(path, verify=True)
    if done is not None:
        return done
    total = SelectedSentences(path)
    for part in parts:
        total.report.merge(part.report)
    count = 0
    with atomic_write(path) as handle, pa.ipc.new_file(handle, _SCHEMA) as writer:
        for language in sorted({code for part in parts for code in part.batches}):
            chosen: dict[int, str] = {}
            for part in parts:
                for read in read_batches(part.path, [number for number, *_ in part.batches.get(language, ())]):
                    numbers, texts = read["hash"].to_pylist(), read["text"].to_pylist()
                    _leave_out(total.report, language, "duplicate", sum(number in chosen for number in numbers))
                    chosen.update(zip(numbers, texts))
                if len(chosen) > bounds[-1]:
                    chosen = {number: chosen[number] for number in sorted(chosen)[: bounds[-1]]}
            order = sorted(chosen)
            batches = total.batches.setdefault(language, [])
            for start, stop in zip([0, *bounds[:-1]], bounds):
                if numbers := order[start:stop]:
                    batch = _record_batch(numbers, [chosen[number] for number in numbers])
                    writer.write_batch(batch)
                    batches.append((count, len(numbers), batch.nbytes))
                    count += 1
    _write_found(total)
    return total


def read_batches(path: Path, numbers: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Read record batches of an Arrow file, of which no more than these come into memory."""
    if numbers:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            for number in numbers:
                yield reader.get_batch(number)


def _by_language(part: SentencePart, report: CorpusReport) -> Iterator[tuple[str, list[str]]]:
    waiting: dict[str, list[str]] = {}
    count = 0
    for segment in part.segments:
        for language, text in read_segment(segment, part.options, report):
            waiting.setdefault(language, []).append(text)
            count += 1
            if count >= _WAITING:
                yield from waiting.items()
                waiting, count = {}, 0
    yield from waiting.items()


def _record_batch(numbers: Sequence[int], texts: Sequence[str]) -> pa.RecordBatch:
    columns = [pa.array(np.asarray(numbers, dtype=np.uint64)), pa.array(texts, pa.large_string())]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _leave_out(report: CorpusReport, language: str, reason: str, n: int) -> None:
    if n:
        report.drop(reason, language, n)
        report.counts[language] -= n


def _write_found(found: SelectedSentences) -> None:
    content: dict[str, Any] = {"batches": found.batches, "report": found.report.to_dict()}
    write_result(found.path.with_suffix(".json"), found.path, content)


def _read_found(path: Path, verify: bool) -> SelectedSentences | None:
    found = read_result(path.with_suffix(".json"), path, ("batches", "report"), verify=verify)
    if found is None:
        return None
    batches = {code: [(number, rows, size) for number, rows, size in own] for code, own in found["batches"].items()}
    return SelectedSentences(path, batches, CorpusReport.from_dict(found["report"]))
