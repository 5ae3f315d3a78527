"""Which files were read, so that a score is known by the content that it was computed from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar


__all__ = ["note_read", "recorded_reads", "remember"]

Value = TypeVar("Value")

_LISTENING: ContextVar[tuple[set[Path], ...]] = ContextVar("_LISTENING", default=())


def note_read(path: Path) -> None:
    """Note that the whole of a file was read. A look at its beginning, to tell a script, is none.

    Args:
        path (`Path`): The file.
    """
    for reads in _LISTENING.get():
        reads.add(path)


@contextmanager
def recorded_reads() -> Iterator[set[Path]]:
    """Collect the files that are read.

    Yields:
        `set[Path]`: Filled with every file that is noted, or remembered, inside the block.
    """
    reads: set[Path] = set()
    token = _LISTENING.set((*_LISTENING.get(), reads))
    try:
        yield reads
    finally:
        _LISTENING.reset(token)


def remember(function: Callable[..., Value], size: int | None = None) -> Callable[..., Value]:
    """Keep the last results of a reader, as `functools.lru_cache` does, and what files they came from.

    Args:
        function (`Callable`): The reader; its arguments can be hashed.
        size (`int`, *optional*): The most results to keep, by default all.

    Returns:
        `Callable`: The same, which notes the files of a kept result again whenever it is given out.
    """
    kept: OrderedDict[tuple[Hashable, ...], tuple[Value, set[Path]]] = OrderedDict()

    def call(*key: Hashable) -> Value:
        if key not in kept:
            with recorded_reads() as reads:
                kept[key] = (function(*key), reads)
            if size is not None and len(kept) > size:
                kept.popitem(last=False)
        else:
            kept.move_to_end(key)
            for path in kept[key][1]:
                note_read(path)
        return kept[key][0]

    return call
