"""The study folder's database: units, who works on them, and their scores. SQLite in WAL mode."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_mplm.jobs.files import DamagedError, explain_full_disk

from .unit import CellScore, Unit
from .units import describe


__all__ = ["DATABASE_FILE", "Claim", "OtherScoresError", "StudyDatabase"]

DATABASE_FILE = "study.sqlite"
_VERSION = 1
_APPLICATION = 0x68666D74  # "hfmt", by which a study's file is told from another program's
_BUSY_SECONDS = 60.0
_SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE units (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, languages TEXT NOT NULL, repeat INTEGER NOT NULL,
    fusion TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'open', worker TEXT NOT NULL DEFAULT '',
    beat INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, seconds REAL, error TEXT NOT NULL DEFAULT '',
    UNIQUE (kind, languages, repeat, fusion)
);
CREATE TABLE scores (
    unit INTEGER NOT NULL REFERENCES units (id), task TEXT NOT NULL, target TEXT NOT NULL, step INTEGER NOT NULL,
    metric TEXT NOT NULL, value REAL NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (unit, task, target, step, metric)
) WITHOUT ROWID;
"""


class OtherScoresError(RuntimeError):
    """A unit was run twice, by workers that took each other for dead, and gave two results."""


@dataclass(frozen=True)
class Claim:
    """A unit that is being worked on.

    Args:
        id (`int`): its row.
        unit (`Unit`): what to run.
        worker (`str`): whose it is.
        beat (`int`): signs of life since it was claimed.
    """

    id: int
    unit: Unit
    worker: str
    beat: int


class StudyDatabase:
    """One process's connection to a study.

    Every change is one transaction, so that a process which is killed leaves each unit either finished with all of its
    scores or not at all. States of a unit: `open`, `running`, `done`, `failed`, `spared` (sequential stopping).

    Args:
        folder (`str` or `Path`): the study.
        create (`bool`, *optional*, defaults to `False`): make it where it is missing.

    Raises:
        FileNotFoundError: if there is no study in the folder.
        DamagedError: if the file is no database, or a damaged one.
        ValueError: if it is of a newer version.
    """

    def __init__(self, folder: str | Path, *, create: bool = False) -> None:
        self.folder = Path(folder)
        path = self.folder / DATABASE_FILE
        if not path.is_file() and not create:
            raise FileNotFoundError(
                f"{self.folder} holds no study ({DATABASE_FILE}); make one by: "
                f"hf-mplm transfer plan --study {self.folder}"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            with self._told():
                self._open(create)
        except BaseException:
            self._connection.close()
            raise

    def _open(self, create: bool) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise ValueError(
                f"{self.folder} is a study of version {version}, and this hf_mplm knows {_VERSION}; "
                "pip install --upgrade hf_mplm"
            )
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        if application != _APPLICATION:
            (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables or application or version or not create:
                raise DamagedError(
                    self.folder / DATABASE_FILE,
                    "it is a database, but not a study's",
                    "It is left as it is; give another --study.",
                )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        if version == 0:
            with self._transaction():
                self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                for statement in _SCHEMA.split(";"):
                    if statement.strip():
                        self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {_VERSION}")
        (state,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise sqlite3.DatabaseError(state)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def __enter__(self) -> StudyDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Says in words what SQLite says in codes."""
        path = self.folder / DATABASE_FILE
        with explain_full_disk(
            self.folder, "The study keeps all finished units; free some space and repeat the command"
        ):
            try:
                yield
            except sqlite3.OperationalError as error:
                if "full" in str(error):
                    raise OSError(28, "No space left on device", str(path)) from error
                if "locked" in str(error) or "busy" in str(error):
                    raise OSError(
                        f"{path} was locked by another program for {_BUSY_SECONDS:.0f} s; end what holds it (a "
                        "database browser, a backup), and repeat the command. On NFS, SQLite's locks do not work: "
                        "keep the study on a local disk and let other machines work by --engine ray"
                    ) from error
                raise OSError(
                    f"SQLite could not work on {path}: {error}; see that the folder is there and may be written"
                ) from error
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.IntegrityError):
                    raise
                raise DamagedError(
                    path,
                    f"SQLite says: {error}",
                    "Restore it from a backup, or plan the study anew in another folder.",
                ) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite rolls back itself where the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    def settings(self) -> dict[str, Any]:
        """What was written by [`plan`]; empty before."""
        with self._told():
            rows = self._connection.execute("SELECT name, value FROM settings").fetchall()
        return {name: json.loads(value) for name, value in rows}

    def plan(self, settings: dict[str, Any], units: Sequence[Unit]) -> None:
        """Write settings and units, both or neither.

        Args:
            settings (`dict`): values that JSON holds.
            units (`Sequence[Unit]`): in the order in which they are to be run.
        """
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO settings VALUES (?, ?)",
                [(name, json.dumps(value, sort_keys=True)) for name, value in settings.items()],
            )
            connection.executemany(
                "INSERT OR IGNORE INTO units (kind, languages, repeat, fusion) VALUES (?, ?, ?, ?)",
                [(unit.kind, json.dumps(unit.languages), unit.repeat, unit.fusion) for unit in units],
            )

    def claim(self, worker: str) -> Claim | None:
        """Take the first open unit; `None` where there is none.

        Args:
            worker (`str`): who takes it, unique among all processes.
        """
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT id, kind, languages, repeat, fusion FROM units WHERE state = 'open' ORDER BY id LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE units SET state = 'running', worker = ?, beat = 0, attempts = attempts + 1 WHERE id = ?",
                (worker, row[0]),
            )
        return Claim(row[0], _unit(row[1:]), worker, 0)

    def beat(self, claim: Claim) -> bool:
        """Show a sign of life.

        Args:
            claim ([`Claim`]): what is being run.

        Returns:
            `bool`: `False` if the unit has been taken over by somebody else.
        """
        with self._transaction() as connection:
            cursor = connection.execute(
                "UPDATE units SET beat = beat + 1 WHERE id = ? AND worker = ? AND state = 'running'",
                (claim.id, claim.worker),
            )
        return cursor.rowcount == 1

    def running(self) -> list[Claim]:
        """The units that somebody works on, or did when last seen."""
        with self._told():
            rows = self._connection.execute(
                "SELECT id, worker, beat, kind, languages, repeat, fusion FROM units WHERE state = 'running' "
                "ORDER BY id"
            ).fetchall()
        return [Claim(row[0], _unit(row[3:]), row[1], row[2]) for row in rows]

    def release(self, claim: Claim) -> bool:
        """Give a unit back, so that anybody may take it, unless its worker showed a sign of life or finished it.

        Args:
            claim ([`Claim`]): the unit as it was seen.
        """
        with self._transaction() as connection:
            cursor = connection.execute(
                "UPDATE units SET state = 'open', worker = '' WHERE id = ? AND worker = ? AND beat = ? "
                "AND state = 'running'",
                (claim.id, claim.worker, claim.beat),
            )
        return cursor.rowcount == 1

    def give_back(self, claim: Claim) -> None:
        """Give back a unit of one's own that was not finished.

        Args:
            claim ([`Claim`]): what was being run.
        """
        with self._transaction() as connection:
            connection.execute(
                "UPDATE units SET state = 'open', worker = '' WHERE id = ? AND worker = ? AND state = 'running'",
                (claim.id, claim.worker),
            )

    def finish(self, claim: Claim, scores: Sequence[CellScore], seconds: float) -> None:
        """Write the scores of a unit and end it, both or neither.

        Args:
            claim ([`Claim`]): what was run.
            scores (`Sequence[CellScore]`): what came of it.
            seconds (`float`): how long it took.

        Raises:
            OtherScoresError: if somebody else finished the unit meanwhile with other scores, which are kept.
        """
        rows = sorted((s.task, s.target, s.step, s.metric, float(s.value), int(s.n)) for s in scores)
        with self._transaction() as connection:
            (state,) = connection.execute("SELECT state FROM units WHERE id = ?", (claim.id,)).fetchone()
            if state == "done":
                there = connection.execute(
                    "SELECT task, target, step, metric, value, n FROM scores WHERE unit = ? ORDER BY 1, 2, 3, 4",
                    (claim.id,),
                ).fetchall()
                if [tuple(row) for row in there] != rows:
                    raise OtherScoresError(
                        f"{describe(claim.unit)} was run twice and gave other scores the second time; the first ones "
                        "are kept. Machines of different kinds differ in the last digits: use one kind for a study"
                    )
                return
            connection.executemany(
                "INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?)", [(claim.id, *row) for row in rows]
            )
            connection.execute(
                "UPDATE units SET state = 'done', worker = ?, seconds = ?, error = '' WHERE id = ?",
                (claim.worker, seconds, claim.id),
            )

    def fail(self, claim: Claim, error: str) -> None:
        """End a unit without scores, and keep the reason.

        Args:
            claim ([`Claim`]): what was run.
            error (`str`): what went wrong.
        """
        with self._transaction() as connection:
            connection.execute(
                "UPDATE units SET state = 'failed', error = ? WHERE id = ? AND worker = ? AND state = 'running'",
                (error, claim.id, claim.worker),
            )

    def spare(self, units: Sequence[Unit]) -> int:
        """Leave out open units that would say nothing more; returns how many there were.

        Args:
            units (`Sequence[Unit]`): what to leave out.
        """
        with self._transaction() as connection:
            cursor = connection.executemany(
                "UPDATE units SET state = 'spared' WHERE state = 'open' AND kind = ? AND languages = ? AND repeat = ? "
                "AND fusion = ?",
                [(unit.kind, json.dumps(unit.languages), unit.repeat, unit.fusion) for unit in units],
            )
        return cursor.rowcount

    def retry_failed(self) -> int:
        """Open failed units again; returns how many."""
        with self._transaction() as connection:
            return connection.execute("UPDATE units SET state = 'open', worker = '' WHERE state = 'failed'").rowcount

    def units(self, state: str | None = None) -> list[Unit]:
        """All units, or those of one state.

        Args:
            state (`str`, *optional*): see the class.
        """
        with self._told():
            rows = self._connection.execute(
                "SELECT kind, languages, repeat, fusion FROM units WHERE ? IS NULL OR state = ? ORDER BY id",
                (state, state),
            ).fetchall()
        return [_unit(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """State -> number of units."""
        with self._told():
            return dict(self._connection.execute("SELECT state, count(*) FROM units GROUP BY state").fetchall())

    def failures(self) -> list[tuple[Unit, str]]:
        """Failed units with the reason."""
        with self._told():
            rows = self._connection.execute(
                "SELECT kind, languages, repeat, fusion, error FROM units WHERE state = 'failed' ORDER BY id"
            ).fetchall()
        return [(_unit(row), row[4]) for row in rows]

    def seconds(self) -> dict[str, list[float]]:
        """Kind -> how long its finished units took."""
        with self._told():
            rows = self._connection.execute("SELECT kind, seconds FROM units WHERE state = 'done'").fetchall()
        found: dict[str, list[float]] = {}
        for kind, seconds in rows:
            found.setdefault(kind, []).append(seconds)
        return found

    def scores(self, *, last_step: bool = False) -> Iterator[dict[str, Any]]:
        """Every score with its unit, in the order of the plan; those of finished units alone.

        Args:
            last_step (`bool`, *optional*, defaults to `False`): of a tuning only what was scored after its last step,
                and no combinations: what a ranking of transfer languages needs.
        """
        some = (
            "JOIN (SELECT unit AS scored, max(step) AS last FROM scores GROUP BY unit) ON scored = id AND step = last "
            "WHERE kind != 'combination' AND"
            if last_step
            else "WHERE"
        )
        with self._told():
            rows = self._connection.execute(
                "SELECT kind, languages, repeat, fusion, task, target, step, metric, value, n FROM scores "
                f"JOIN units ON unit = id {some} state = 'done' ORDER BY id, task, target, step, metric"
            ).fetchall()
        names = ("kind", "languages", "repeat", "fusion", "task", "target", "step", "metric", "value", "n")
        for row in rows:
            yield {**dict(zip(names, row)), "languages": tuple(json.loads(row[1]))}


def _unit(row: Sequence[Any]) -> Unit:
    return Unit(row[0], tuple(json.loads(row[1])), row[2], row[3])
