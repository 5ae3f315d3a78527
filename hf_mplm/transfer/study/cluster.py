"""The units of a study on a Ray cluster: machines run them, and this process alone writes."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_mplm.jobs.engines import run_tasks

from .database import Claim, StudyDatabase
from .unit import CellScore, Experiment, Unit
from .units import describe
from .worker import LEASE_SECONDS, Leases, WorkDone, refuse_gaps, signs_of_life, worker_name


__all__ = ["RemoteUnit", "run_units_on_ray"]


@dataclass(frozen=True)
class RemoteUnit:
    """What travels to a machine of the cluster.

    Args:
        make (`Callable`): a function of a module that makes the experiment of `settings`.
        settings (`str`): as JSON.
        index (`int`): which claim it is.
        unit ([`Unit`]): what to run.
    """

    make: Callable[[dict[str, Any]], Experiment]
    settings: str
    index: int
    unit: Unit


def run_units_on_ray(
    folder: str | Path,
    make: Callable[[dict[str, Any]], Experiment],
    settings: dict[str, Any],
    *,
    engine: str = "ray",
    watch: Callable[[str], None] = lambda text: None,
) -> WorkDone:
    """Run all open units on the cluster that Ray finds.

    SQLite's locks do not work over NFS: the machines see no database, and send their scores home.

    Args:
        folder (`str` or `Path`): the study.
        make (`Callable`): a function of a module that makes the experiment; each process makes its own, once.
        settings (`dict`): its argument, values that JSON holds.
        engine (`str`, *optional*): see [`run_tasks`].
        watch (`Callable`, *optional*): told what was done.
    """
    me = worker_name()
    done = WorkDone()
    with StudyDatabase(folder) as database:
        leases = Leases(LEASE_SECONDS)
        # Units of workers of this machine that died; what lives, or may live elsewhere, is left alone.
        done.taken_over += leases.release_silent(database, database.running())
        claims: list[Claim] = []
        while (claim := database.claim(me)) is not None:
            claims.append(claim)
        left = dict(enumerate(claims))
        text = json.dumps(settings, sort_keys=True)
        tasks = [RemoteUnit(make, text, index, claim.unit) for index, claim in left.items()]
        try:
            with signs_of_life(database.folder, claims, LEASE_SECONDS / 6):
                for index, scores, error, seconds in run_tasks(_run_remote, tasks, engine=engine):
                    claim = left.pop(index)
                    watch(describe(claim.unit))
                    try:
                        if error:
                            raise ValueError(error)
                        refuse_gaps(database, claim, scores)
                    except ValueError as wrong:
                        database.fail(claim, str(wrong))
                        done.failed += 1
                        continue
                    database.finish(claim, scores, seconds)
                    done.finished += 1
        finally:
            for claim in left.values():
                database.give_back(claim)
    return done


def _run_remote(task: RemoteUnit) -> tuple[int, list[CellScore], str, float]:
    started = time.monotonic()
    try:
        scores = _experiment(task.make, task.settings).run(task.unit)
        error = ""
    except Exception as raised:  # kept with the unit, never a zero
        scores, error = [], f"{type(raised).__name__}: {raised}"[:2000]
    return task.index, scores, error, time.monotonic() - started


@functools.lru_cache(maxsize=1)
def _experiment(make: Callable[[dict[str, Any]], Experiment], settings: str) -> Experiment:
    return make(json.loads(settings))
