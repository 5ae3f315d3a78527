"""Caches of romanisations: one of bounded size in memory, and one on disk that runs share."""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar


__all__ = ["GenerationCache", "UnitFile"]

Key = TypeVar("Key", bound=Hashable)

# Seconds to wait for another process that writes.
_PATIENCE = 60.0

# Says how units are cut and keyed; raised when that changes, so that older files are left alone.
_FORMAT = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS units (
    version TEXT NOT NULL,
    code TEXT NOT NULL,
    before TEXT NOT NULL,
    unit TEXT NOT NULL,
    after TEXT NOT NULL,
    romanized TEXT NOT NULL,
    PRIMARY KEY (version, code, before, unit, after)
) WITHOUT ROWID
"""


class GenerationCache(Generic[Key]):
    """A dictionary of strings that forgets what was not asked for lately.

    Entries live in two generations. When the younger one is half the limit, the older one is dropped and the younger
    takes its place; what is found in the older one moves to the younger. That bounds the size and costs one look-up
    where a list ordered by use would cost a write.

    Args:
        limit (`int`): Entries at most.
        keep_new (`bool`, *optional*, defaults to `False`): Keep what is new apart until [`~GenerationCache.take_new`]
            asks for it.
    """

    def __init__(self, limit: int, *, keep_new: bool = False):
        if limit < 2:
            raise ValueError(f"A cache of {limit} entries holds nothing; give cache_size=2 or more.")
        self._half = limit // 2
        self._young: dict[Key, str] = {}
        self._old: dict[Key, str] = {}
        self._new: dict[Key, str] | None = {} if keep_new else None

    def get(self, key: Key) -> str | None:
        """The value of a key, `None` where it is not held."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.hold(key, value)
        return value

    def __setitem__(self, key: Key, value: str) -> None:
        if self._new is not None:
            self._new[key] = value
        self.hold(key, value)

    def hold(self, key: Key, value: str) -> None:
        """Stores an entry that is not new."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def __len__(self) -> int:
        return len(self._young) + sum(key not in self._young for key in self._old)

    @property
    def n_new(self) -> int:
        """Entries that `take_new` would give."""
        return len(self._new or ())

    def take_new(self) -> Iterable[tuple[Key, str]]:
        """The entries stored since the last call."""
        new, self._new = self._new or {}, {}
        return new.items()


class UnitFile:
    """Romanised units in an SQLite file, which any number of processes may read and add to.

    Args:
        path (`str` or `Path`): The file; made if it is not there.
        version (`str`): The version of uroman; units of other versions are neither read nor changed.

    Raises:
        ValueError: The file is not one that this class wrote.
    """

    def __init__(self, path: str | Path, version: str):
        self._path = Path(path)
        self._version = f"{version}/{_FORMAT}"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute(_SCHEMA)
                connection.execute("SELECT version, code, before, unit, after, romanized FROM units LIMIT 1")
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{self._path} is no cache of romanised units ({error}). Give another cache_file, or delete this one."
            ) from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_PATIENCE)

    def load(self, limit: int) -> list[tuple[tuple[str | None, str, str, str], str]]:
        """Up to `limit` units, keyed as `(code, before, unit, after)`."""
        query = "SELECT code, before, unit, after, romanized FROM units WHERE version = ? LIMIT ?"
        with closing(self._connect()) as connection:
            rows = connection.execute(query, (self._version, limit)).fetchall()
        return [((code or None, before, unit, after), romanized) for code, before, unit, after, romanized in rows]

    def add(self, units: Iterable[tuple[tuple[str | None, str, str, str], str]]) -> None:
        """Writes the units that the file does not hold."""
        rows = (
            (self._version, key[0] or "", *key[1:], value)
            for key, value in units
            if _is_utf8("".join((*key[1:], value)))
        )
        with closing(self._connect()) as connection:
            while block := list(islice(rows, 10_000)):
                with connection:
                    connection.executemany("INSERT OR IGNORE INTO units VALUES (?, ?, ?, ?, ?, ?)", block)


def _is_utf8(text: str) -> bool:
    # SQLite holds UTF-8, which has no lone surrogates.
    return not any("\ud800" <= char <= "\udfff" for char in text)
