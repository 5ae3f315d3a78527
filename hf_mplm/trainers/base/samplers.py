"""Batches of draws: the samplers between a data set addressed by draw number and Trainer's loop."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler


__all__ = ["DrawSampler", "HeldOutBatches"]


class DrawSampler(Sampler[int]):
    """Draw numbers `start, start + 1, ...`, for a data set in which draw t is a function of t alone.

    Resuming is starting at another number, which costs nothing; no batch is replayed.

    Args:
        start (`int`): the first draw.
        stop (`int`): one past the last draw.
        length (`int`, *optional*): what `len()` says; Trainer takes the number of steps of the whole run from it, so
            a resumed run states the whole and yields the rest. `stop - start` by default.
    """

    def __init__(self, start: int, stop: int, length: int | None = None) -> None:
        if not 0 <= start <= stop:
            raise ValueError(f"draws must satisfy 0 <= start <= stop, got start={start} and stop={stop}")
        self.start, self.stop = start, stop
        self.length = stop - start if length is None else length

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))

    def __len__(self) -> int:
        return self.length


class HeldOutBatches(Sampler[list[int]]):
    """Batches of rows of one group each, in a fixed order, dealt out to the ranks in turn.

    The batches are the same on any number of processes, none is padded with repeated rows, and a batch of one language
    gives that language's loss without splitting it.

    Args:
        groups (`list[int]`): group (language) of each row.
        batch_size (`int`): rows in a batch at most.
        rank (`int`, *optional*, defaults to 0): this process.
        world_size (`int`, *optional*, defaults to 1): number of processes.
    """

    def __init__(self, groups: list[int], batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        rows_of: dict[int, list[int]] = {}
        for row, group in enumerate(groups):
            rows_of.setdefault(group, []).append(row)
        batches = [
            rows[first : first + batch_size]
            for _, rows in sorted(rows_of.items())
            for first in range(0, len(rows), batch_size)
        ]
        self.batches = batches[rank::world_size]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)
