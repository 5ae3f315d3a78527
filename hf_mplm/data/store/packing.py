"""From tokenized sentences to the chunks of a store: choose what is held out, pack the rest, write shards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Features, List, Value

from hf_mplm.jobs.files import atomic_write
from hf_mplm.jobs.parts import read_result, write_result

from .parts import Batch


__all__ = [
    "HOLDOUT_SHARE",
    "LanguagePlan",
    "Shard",
    "choose_holdout",
    "close_parts",
    "plan_language",
    "plan_shards",
    "store_features",
    "write_shard",
]

HOLDOUT_SHARE = 10
_SHARD_TOKENS = 1 << 27  # 512 MiB of int32
_ROWS = 256


def store_features(languages: Sequence[str]) -> Features:
    """The columns of a store."""
    return Features({"input_ids": List(Value("int32")), "language": ClassLabel(names=list(languages))})


@lru_cache(maxsize=8)
def _open_part(path: str) -> pa.RecordBatchFileReader:
    return pa.ipc.open_file(pa.memory_map(path))


def close_parts() -> None:
    """Let go of the parts' files, so that deleting them frees the disk."""
    _open_part.cache_clear()


def _sentences(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Ids and lengths of a batch. Shapes: (tokens,), (sentences,)."""
    ids = _open_part(batch.path).get_batch(batch.index).column("input_ids")
    return ids.values.to_numpy(), np.diff(ids.offsets.to_numpy())


def _hashes(batch: Batch) -> np.ndarray:
    """Hashes of a batch's sentences, which are there if any are to be held out. Shape: (sentences,)."""
    return _open_part(batch.path).get_batch(batch.index).column("hash").to_numpy()


def choose_holdout(hashes: np.ndarray, n: int) -> np.ndarray:
    """Choose sentences to hold out: those of the smallest hashes, among the sentences that occur once.

    A sentence that the language has twice is never chosen, so that no held-out sentence is trained on.

    Args:
        hashes (`np.ndarray`): a hash per sentence of one language. Shape: (sentences,).
        n (`int`): how many to choose; fewer come out where there are not as many different ones, or where they would
            be more than a tenth of the language.

    Returns:
        `np.ndarray`: the chosen hashes, sorted. Shape: (at most n,).
    """
    n = min(n, len(hashes) // HOLDOUT_SHARE)
    if n == 0:
        return hashes[:0]
    values, occurrences = np.unique(hashes, return_counts=True)
    return values[occurrences == 1][:n]


@dataclass(frozen=True)
class LanguagePlan:
    """The tokens of one language, and which of its sentences are held out.

    Args:
        language (`str`): code.
        label (`int`): its number in the store.
        batches (`tuple[Batch, ...]`): where its sentences are, in the order of the corpus.
        held_tokens (`tuple[int, ...]`): tokens held out, per batch.
        holdout (`tuple[int, ...]`): hashes of the held-out sentences, sorted.
    """

    language: str
    label: int
    batches: tuple[Batch, ...]
    held_tokens: tuple[int, ...]
    holdout: tuple[int, ...]

    def tokens(self, held: bool) -> int:
        """Tokens of the held-out sentences, or of the others."""
        n_held = sum(self.held_tokens)
        return n_held if held else sum(batch.tokens for batch in self.batches) - n_held

    def piece(self, start: int, stop: int, held: bool) -> tuple[LanguagePlan, int, int]:
        """The same tokens, counted in a plan of the batches that hold them, which is what a worker is sent."""
        sizes = [n if held else batch.tokens - n for batch, n in zip(self.batches, self.held_tokens)]
        ends = np.cumsum(sizes)
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(ends, stop, side="left")) + 1
        skipped = int(ends[first - 1]) if first else 0
        plan = replace(self, batches=self.batches[first:last], held_tokens=self.held_tokens[first:last])
        return plan, start - skipped, stop - skipped


def plan_language(language: str, label: int, batches: Sequence[Batch], n_holdout: int) -> LanguagePlan:
    """Decide what of a language is held out."""
    chosen = np.empty(0, dtype=np.uint64)
    held_tokens = [0] * len(batches)
    if n_holdout:
        hashes = [_hashes(batch) for batch in batches]
        chosen = choose_holdout(np.concatenate(hashes), n_holdout)
        for i, (batch, own) in enumerate(zip(batches, hashes)):
            held = np.isin(own, chosen)
            if held.any():
                held_tokens[i] = int(_sentences(batch)[1][held].sum())
    return LanguagePlan(language, label, tuple(batches), tuple(held_tokens), tuple(chosen.tolist()))


@dataclass(frozen=True)
class Shard:
    """One Arrow file of a split.

    Args:
        path (`str`): where it is written.
        result (`str`): where it is noted, with its digest, that it is written.
        languages (`tuple[str, ...]`): all codes of the store.
        pieces (`tuple[tuple[LanguagePlan, int, int], ...]`): languages, first token and last (exclusive) within the
            batches of their plan.
        held (`bool`): whether it belongs to the held-out split.
        chunk_length (`int`): tokens a row.
    """

    path: str
    result: str
    languages: tuple[str, ...]
    pieces: tuple[tuple[LanguagePlan, int, int], ...]
    held: bool
    chunk_length: int

    @property
    def tokens(self) -> int:
        """Tokens of the shard."""
        return sum(stop - start for _, start, stop in self.pieces)


def plan_shards(
    plans: Sequence[LanguagePlan], folder: Path, *, held: bool, chunk_length: int, shard_tokens: int = _SHARD_TOKENS
) -> list[Shard]:
    """Divide a split into files of at most about `shard_tokens`, cutting between chunks only."""
    limit = max(1, shard_tokens // chunk_length) * chunk_length
    groups: list[list[tuple[LanguagePlan, int, int]]] = [[]]
    room = limit
    for plan in plans:
        start, n = 0, plan.tokens(held)
        while start < n:
            if room < chunk_length:
                groups.append([])
                room = limit
            stop = min(n, start + room // chunk_length * chunk_length)
            groups[-1].append(plan.piece(start, stop, held))
            room -= stop - start
            start = stop
    groups = [group for group in groups if group]
    languages = tuple(plan.language for plan in plans)
    # Beside the store that is put together, and not in it.
    results = folder.parent.with_name("shards")
    return [
        Shard(
            str(folder / f"data-{i:05d}-of-{len(groups):05d}.arrow"),
            str(results / f"{folder.name}-{i:05d}.json"),
            languages,
            tuple(group),
            held,
            chunk_length,
        )
        for i, group in enumerate(groups)
    ]


def _stream(plan: LanguagePlan, start: int, stop: int, held: bool) -> Iterator[np.ndarray]:
    """The tokens `start` to `stop` of the held-out sentences of a language, or of the others."""
    chosen = np.array(plan.holdout, dtype=np.uint64)
    position = 0
    for batch, n_held in zip(plan.batches, plan.held_tokens):
        n = n_held if held else batch.tokens - n_held
        first, last = max(start - position, 0), min(stop - position, n)
        position += n
        if first >= last:
            continue
        ids, lengths = _sentences(batch)
        if n != batch.tokens:
            ids = ids[np.repeat(np.isin(_hashes(batch), chosen) == held, lengths)]
        yield ids[first:last]


def _blocks(pieces: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same tokens in arrays of `size`, the last one shorter."""
    block, filled = np.empty(size, dtype=np.int32), 0
    for piece in pieces:
        while len(piece):
            n = min(size - filled, len(piece))
            block[filled : filled + n] = piece[:n]
            filled, piece = filled + n, piece[n:]
            if filled == size:
                yield block
                block, filled = np.empty(size, dtype=np.int32), 0
    if filled:
        yield block[:filled]


def write_shard(shard: Shard) -> dict[str, int]:
    """Write one file of a split, unless it is there, as it was written.

    Args:
        shard (`Shard`): what to write.

    Returns:
        `dict[str, int]`: `tokens`, for the progress bar.
    """
    path, result = Path(shard.path), Path(shard.result)
    if read_result(result, path) is None:
        schema = store_features(shard.languages).arrow_schema
        with atomic_write(path) as handle, pa.ipc.new_stream(handle, schema) as writer:
            for plan, start, stop in shard.pieces:
                for block in _blocks(_stream(plan, start, stop, shard.held), _ROWS * shard.chunk_length):
                    offsets = np.append(np.arange(0, len(block), shard.chunk_length), len(block)).astype(np.int32)
                    rows = pa.ListArray.from_arrays(pa.array(offsets), pa.array(block))
                    labels = pa.array(np.full(len(rows), plan.label, dtype=np.int64))
                    arrays = [rows.cast(schema.field(0).type), labels]
                    writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
        result.parent.mkdir(exist_ok=True)
        write_result(result, path, {"tokens": shard.tokens})
    return {"tokens": shard.tokens, "bytes": os.path.getsize(path)}
