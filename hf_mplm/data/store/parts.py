"""The unit of work of preparing a store: some text in, its tokens out, finished or not there at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hf_mplm.jobs.files import atomic_write
from hf_mplm.jobs.parts import read_result, write_result

from ..corpus.options import ReadOptions
from ..corpus.readers import read_segment
from ..corpus.report import CorpusReport
from ..corpus.segments import Segment
from ..tokenizing.encoding import EncoderSpec, encode_sentences, hash_sentences, unknown_characters


__all__ = ["Batch", "LanguageCounts", "Part", "PartResult", "finished_part", "part_path", "tokenize_part"]

# Characters of one language that are tokenized together, and of all languages that wait in memory.
_BATCH_CHARACTERS = 1 << 20
_WAITING_CHARACTERS = 1 << 24


@dataclass(frozen=True)
class Part:
    """A piece of the corpus that is tokenized on its own.

    Args:
        index (`int`): its place in the corpus.
        folder (`str`): where its result is written.
        segments (`tuple[Segment, ...]`): what it reads.
        options (`ReadOptions`): how it reads.
        encoder (`EncoderSpec`): the tokenizer.
        chunk_length (`int`): tells which sentences are long.
        seed (`int`, *optional*): of the numbers by which held-out sentences are chosen; none are, if None.
    """

    index: int
    folder: str
    segments: tuple[Segment, ...]
    options: ReadOptions
    encoder: EncoderSpec
    chunk_length: int
    seed: int | None

    @property
    def weight(self) -> int:
        """Estimated bytes of text."""
        return sum(segment.weight for segment in self.segments)


@dataclass
class LanguageCounts:
    """What a language has: `characters`, `tokens`, those of both that are unknown, and `long_sentences`."""

    characters: int = 0
    tokens: int = 0
    unknown_tokens: int = 0
    unknown_characters: int = 0
    long_sentences: int = 0

    def add(self, other: LanguageCounts) -> None:
        """Add the counts of another piece."""
        self.characters += other.characters
        self.tokens += other.tokens
        self.unknown_tokens += other.unknown_tokens
        self.unknown_characters += other.unknown_characters
        self.long_sentences += other.long_sentences


@dataclass(frozen=True)
class Batch:
    """One record batch of a part's file: sentences of one language.

    Args:
        path (`str`): the part's file.
        index (`int`): number of the record batch.
        language (`str`): code.
        sentences (`int`): rows.
        tokens (`int`): tokens in all rows.
    """

    path: str
    index: int
    language: str
    sentences: int
    tokens: int


@dataclass
class PartResult:
    """What a finished part has: its record batches, its counts and its report."""

    batches: list[Batch] = field(default_factory=list)
    counts: dict[str, LanguageCounts] = field(default_factory=dict)
    report: CorpusReport = field(default_factory=CorpusReport)


def part_path(folder: str | Path, index: int) -> Path:
    """Where the tokens of a part stand; its counts stand beside, as JSON."""
    return Path(folder) / f"{index:07d}.arrow"


def finished_part(part: Part, *, verify: bool = True) -> PartResult | None:
    """Read the result of a part; None if it is not finished.

    Args:
        part (`Part`): the part.
        verify (`bool`, *optional*, defaults to `True`): whether to hold its tokens against their digest.
    """
    path = part_path(part.folder, part.index)
    found = read_result(path.with_suffix(".json"), path, ("batches", "counts", "report"), verify=verify)
    if found is None:
        return None
    return PartResult(
        batches=[Batch(str(path), i, *batch) for i, batch in enumerate(found["batches"])],
        counts={code: LanguageCounts(**counts) for code, counts in found["counts"].items()},
        report=CorpusReport.from_dict(found["report"]),
    )


def tokenize_part(part: Part) -> dict[str, int]:
    """Tokenize one part and write its result.

    The counts are written after the tokens, so that a part whose counts are there is whole.

    Args:
        part (`Part`): what to do.

    Returns:
        `dict[str, int]`: `sentences`, `tokens` and `weight`, for the progress bar.
    """
    result = PartResult()
    path = part_path(part.folder, part.index)
    columns = {"input_ids": pa.list_(pa.int32())}
    if part.seed is not None:
        columns["hash"] = pa.uint64()
    with atomic_write(path) as handle, pa.ipc.new_file(handle, pa.schema(columns)) as writer:
        for language, texts in _by_language(part, result.report):
            batch = _encode(part, language, texts, result)
            if batch is not None:
                writer.write_batch(batch)
                tokens = len(batch.column(0).values)
                result.batches.append(Batch(str(path), len(result.batches), language, batch.num_rows, tokens))
    found: dict[str, Any] = {
        "batches": [[batch.language, batch.sentences, batch.tokens] for batch in result.batches],
        "counts": {code: asdict(counts) for code, counts in sorted(result.counts.items())},
        "report": result.report.to_dict(),
    }
    write_result(path.with_suffix(".json"), path, found)
    return {
        "sentences": sum(batch.sentences for batch in result.batches),
        "tokens": sum(batch.tokens for batch in result.batches),
        "weight": part.weight,
    }


def _by_language(part: Part, report: CorpusReport) -> Iterator[tuple[str, list[str]]]:
    """Sentences in groups of one language, in the order of the corpus within each language."""
    waiting: dict[str, list[str]] = {}
    characters: dict[str, int] = {}
    total = 0
    for segment in part.segments:
        for language, text in read_segment(segment, part.options, report):
            waiting.setdefault(language, []).append(text)
            characters[language] = characters.get(language, 0) + len(text)
            total += len(text)
            if characters[language] >= _BATCH_CHARACTERS:
                total -= characters.pop(language)
                yield language, waiting.pop(language)
            elif total >= _WAITING_CHARACTERS:
                yield from waiting.items()
                waiting, characters, total = {}, {}, 0
    yield from waiting.items()


def _encode(part: Part, language: str, texts: list[str], result: PartResult) -> pa.RecordBatch | None:
    tokens, lengths, stray = encode_sentences(part.encoder, texts)
    kept = lengths > 0
    report = result.report
    if n_empty := int((~kept).sum()):
        report.drop("no_tokens", language, n_empty)
        report.counts[language] -= n_empty
    if n_stray := int((stray > 0).sum()):
        report.clean("special_token_text", language, n_stray)
    lengths = lengths[kept]
    n_unknown = int((tokens == part.encoder.unknown).sum())
    result.counts.setdefault(language, LanguageCounts()).add(
        LanguageCounts(
            characters=sum(map(len, texts)),
            tokens=len(tokens),
            unknown_tokens=n_unknown,
            # One unknown token may stand for a whole sentence, so that the share of tokens tells little.
            unknown_characters=unknown_characters(part.encoder, texts) if n_unknown else 0,
            long_sentences=int((lengths > part.chunk_length).sum()),
        )
    )
    if not len(lengths):
        return None
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    arrays = [pa.ListArray.from_arrays(pa.array(offsets), pa.array(tokens))]
    names = ["input_ids"]
    if part.seed is not None:
        arrays.append(pa.array(hash_sentences(texts, part.seed)[kept]))
        names.append("hash")
    return pa.RecordBatch.from_arrays(arrays, names=names)
