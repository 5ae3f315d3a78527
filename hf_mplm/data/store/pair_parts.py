"""The unit of work of preparing a pair store: some text in, its pairs' tokens out, finished or not there at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from hf_mplm.jobs.files import atomic_write
from hf_mplm.jobs.parts import read_result, write_result

from ..corpus.report import CorpusReport
from ..tokenizing.encoding import encode_sentences, hash_sentences
from .pair_reader import read_pairs, romanize_missing
from .parts import Batch, Part, part_path


__all__ = ["PairCounts", "PairPart", "PairPartResult", "finished_pairs", "pair_schema", "tokenize_pairs"]

_BATCH = 4096
COUNTED = ("unchanged", "characters", "unknown_tokens")
"""Counts of a pair that cannot be told from its tokens."""


@dataclass(frozen=True)
class PairPart(Part):
    """A piece of the corpus that is romanised and tokenized on its own.

    Args:
        use_language_codes (`bool`, *optional*, defaults to `False`): tell uroman the language.
    """

    use_language_codes: bool = False


@dataclass
class PairCounts:
    """What the pairs of a language come to.

    Attributes:
        pairs (`int`): pairs.
        unchanged (`int`): those whose romanisation is the sentence itself, as most Latin text's is.
        characters (`int`): of the sentences.
        tokens (`int`): of the sentences, `<s>` and `</s>` included.
        romanized_tokens (`int`): of their romanisations.
        unknown_tokens (`int`): of both.
        long_sentences (`int`): pairs of which a side was cut.
    """

    pairs: int = 0
    unchanged: int = 0
    characters: int = 0
    tokens: int = 0
    romanized_tokens: int = 0
    unknown_tokens: int = 0
    long_sentences: int = 0

    def add(self, other: PairCounts) -> None:
        """Add the counts of another piece."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class PairPartResult:
    """What a finished part has: its record batches, its counts and its report."""

    batches: list[Batch] = field(default_factory=list)
    counts: dict[str, PairCounts] = field(default_factory=dict)
    report: CorpusReport = field(default_factory=CorpusReport)


def pair_schema() -> pa.Schema:
    """The columns of a part's file."""
    ids = pa.list_(pa.int32())
    counts = dict.fromkeys(COUNTED, pa.int32())
    return pa.schema(
        {"input_ids": ids, "romanized_input_ids": ids, "was_cut": pa.bool_(), "hash": pa.uint64(), **counts}
    )


def finished_pairs(part: PairPart, *, verify: bool = True) -> PairPartResult | None:
    """Read the result of a part; None if it is not finished.

    Args:
        part (`PairPart`): the part.
        verify (`bool`, *optional*, defaults to `True`): whether to hold its tokens against their digest.
    """
    path = part_path(part.folder, part.index)
    found = read_result(path.with_suffix(".json"), path, ("batches", "counts", "report"), verify=verify)
    if found is None:
        return None
    counts = {code: PairCounts(**counts) for code, counts in found["counts"].items()}
    batches = [Batch(str(path), i, *batch) for i, batch in enumerate(found["batches"])]
    return PairPartResult(batches, counts, CorpusReport.from_dict(found["report"]))


def tokenize_pairs(part: PairPart) -> dict[str, int]:
    """Romanise and tokenize one part and write its result, the counts last, so that a part that has them is whole.

    Args:
        part (`PairPart`): what to do.

    Returns:
        `dict[str, int]`: `sentences`, `tokens` and `weight`, for the progress bar.
    """
    path = part_path(part.folder, part.index)
    result = PairPartResult()
    with atomic_write(path) as handle, pa.ipc.new_file(handle, pair_schema()) as writer:
        for pairs in _batches(part, result.report):
            for language, batch in _encode(part, pairs, result):
                writer.write_batch(batch)
                tokens = sum(len(batch.column(i).values) for i in range(2))
                result.batches.append(Batch(str(path), len(result.batches), language, batch.num_rows, tokens))
    result.report.counts = {code: n for code, n in result.report.counts.items() if n}
    write_result(
        path.with_suffix(".json"),
        path,
        {
            "batches": [[batch.language, batch.sentences, batch.tokens] for batch in result.batches],
            "counts": {code: asdict(counts) for code, counts in sorted(result.counts.items())},
            "report": result.report.to_dict(),
        },
    )
    return {
        "sentences": sum(counts.pairs for counts in result.counts.values()),
        "tokens": sum(counts.tokens + counts.romanized_tokens for counts in result.counts.values()),
        "weight": part.weight,
    }


def _batches(part: PairPart, report: CorpusReport) -> Iterator[list[tuple[str, str, str]]]:
    rows = (row for segment in part.segments for row in read_pairs(segment, part.options, report))
    while batch := list(islice(rows, _BATCH)):
        pairs = romanize_missing(batch, part.use_language_codes, report)
        if pairs:
            yield pairs


def _encode(
    part: PairPart, pairs: list[tuple[str, str, str]], result: PairPartResult
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The tokens of pairs, one record batch a language."""
    codes = np.array([language for language, _, _ in pairs])
    texts = [text for _, text, _ in pairs]
    sides = [_side(part, texts), _side(part, [romanized for _, _, romanized in pairs])]
    kept = np.ones(len(pairs), dtype=bool)
    for side, reason in zip(sides, ("no_tokens", "no_romanized_tokens")):
        for language in codes[kept & (side.lengths == 0)].tolist():
            result.report.drop(reason, language)
            result.report.counts[language] -= 1
        for language in codes[side.stray > 0].tolist():
            result.report.clean("special_token_text", language)
        kept &= side.lengths > 0
    unchanged = np.array([text == romanized for _, text, romanized in pairs])
    characters = np.array([len(text) for text in texts])
    hashes = hash_sentences(texts, part.seed if part.seed is not None else 0)
    was_cut = sides[0].was_cut | sides[1].was_cut
    unknown = sides[0].occurrences(part.encoder.unknown) + sides[1].occurrences(part.encoder.unknown)
    for language in np.unique(codes[kept]).tolist():
        own = kept & (codes == language)
        result.counts.setdefault(language, PairCounts()).add(
            PairCounts(
                pairs=int(own.sum()),
                unchanged=int(unchanged[own].sum()),
                characters=int(characters[own].sum()),
                tokens=int(sides[0].lengths[own].sum()),
                romanized_tokens=int(sides[1].lengths[own].sum()),
                unknown_tokens=int(unknown[own].sum()),
                long_sentences=int(was_cut[own].sum()),
            )
        )
        arrays = []
        for side in sides:
            ids, lengths = side.of(own)
            offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
            arrays.append(pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids)))
        counts = [pa.array(column[own].astype(np.int32)) for column in (unchanged, characters, unknown)]
        arrays += [pa.array(was_cut[own]), pa.array(hashes[own]), *counts]
        yield language, pa.RecordBatch.from_arrays(arrays, schema=pair_schema())


class _Side(NamedTuple):
    """One side of several pairs: ids one text after the other, (tokens,); the rest (pairs,)."""

    tokens: np.ndarray
    lengths: np.ndarray
    stray: np.ndarray
    was_cut: np.ndarray

    def occurrences(self, token: int | None) -> np.ndarray:
        """How often each text has a token. Shape: (pairs,)."""
        rows = np.repeat(np.arange(len(self.lengths)), self.lengths)
        return np.bincount(rows[self.tokens == token], minlength=len(self.lengths))

    def of(self, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids and lengths of some of the pairs."""
        return self.tokens[np.repeat(own, self.lengths)], self.lengths[own]


def _side(part: PairPart, texts: list[str]) -> _Side:
    tokens, lengths, stray = encode_sentences(part.encoder, texts)
    limit, tail = part.chunk_length, len(part.encoder.suffix)
    was_cut = lengths > limit
    if was_cut.any():
        place = np.arange(len(tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        whole = np.repeat(lengths, lengths)
        # What stands at the end of a sentence stays there.
        tokens = tokens[(place < limit - tail) | (place >= whole - tail)]
        lengths = np.minimum(lengths, limit)
    return _Side(tokens, lengths, stray, was_cut)
