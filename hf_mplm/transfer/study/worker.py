"""A worker: it takes units of a study, runs them, and shows signs of life meanwhile. Any number share a study."""

from __future__ import annotations

import errno
import logging
import math
import os
import platform
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .database import Claim, StudyDatabase
from .stopping import StoppingRule, units_to_spare
from .unit import CellScore, Experiment
from .units import describe


__all__ = ["LEASE_SECONDS", "Leases", "WorkDone", "refuse_gaps", "run_units", "signs_of_life", "worker_name"]

logger = logging.getLogger(__name__)

LEASE_SECONDS = 120.0
"""A unit whose worker has shown no sign of life for so long is taken over."""

_BEATS_A_LEASE = 6


class WorkDone:
    """What a worker did: units finished, failed and taken over."""

    def __init__(self) -> None:
        self.finished = self.failed = self.taken_over = self.spared = 0


def run_units(
    folder: str | Path,
    experiment: Experiment,
    *,
    stopping: StoppingRule | None = None,
    max_units: int | None = None,
    lease_seconds: float = LEASE_SECONDS,
    watch: Callable[[str], None] = lambda text: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> WorkDone:
    """Run units until there is none left, those of dead workers included.

    Leases need no clock that machines share: whoever waits looks whether a unit's signs of life go on, by its own
    monotonic clock. A worker of this machine whose process is gone is told at once.

    Args:
        folder (`str` or `Path`): the study.
        experiment (`Experiment`): what runs a unit.
        stopping ([`StoppingRule`], *optional*): when a language gets no more repeats.
        max_units (`int`, *optional*): stop after so many.
        lease_seconds (`float`, *optional*, defaults to 120): silence after which a unit is taken over.
        watch (`Callable`, *optional*): told what is being done.
        clock (`Callable`, *optional*): seconds that only grow.
        sleep (`Callable`, *optional*): lets so many of these seconds pass.

    Returns:
        [`WorkDone`]: counts.

    Raises:
        OSError: if the study's database is locked or damaged, or the disk is full.
    """
    me = worker_name()
    done = WorkDone()
    leases = Leases(lease_seconds, clock)
    with StudyDatabase(folder) as database, _ended_by_signals():
        while max_units is None or done.finished + done.failed < max_units:
            if stopping is not None:
                done.spared += database.spare(units_to_spare(database, stopping))
            claim = database.claim(me)
            if claim is not None:
                watch(describe(claim.unit))
                _run(database, claim, experiment, lease_seconds, done)
                continue
            others = database.running()
            if not others:
                break
            released = leases.release_silent(database, others)
            done.taken_over += released
            if not released:
                sleep(min(5.0, lease_seconds / _BEATS_A_LEASE))
    return done


class Leases:
    """Which workers are gone, by what one process sees of their signs of life.

    Args:
        seconds (`float`): silence after which a worker is held to be gone.
        clock (`Callable`, *optional*): seconds that only grow.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self._clock = seconds, clock
        self._seen: dict[tuple[int, str], tuple[int, float]] = {}

    def release_silent(self, database: StudyDatabase, others: Sequence[Claim]) -> int:
        """Open the units of workers that are gone; returns how many.

        Args:
            database ([`StudyDatabase`]): the study.
            others (`Sequence[Claim]`): units at work, as they are now.
        """
        released = 0
        for other in others:
            beat, since = self._seen.get((other.id, other.worker), (-1, 0.0))
            if beat != other.beat:
                since = self._clock()
                self._seen[other.id, other.worker] = (other.beat, since)
            if (self._clock() - since > self.seconds or _is_dead(other.worker)) and database.release(other):
                logger.warning("%s: its worker %s is gone; it is run again", describe(other.unit), other.worker)
                released += 1
        return released


def worker_name() -> str:
    """Host, process and a number of this one's own."""
    return f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def _run(database: StudyDatabase, claim: Claim, experiment: Experiment, lease_seconds: float, done: WorkDone) -> None:
    started = time.monotonic()
    try:
        with signs_of_life(database.folder, [claim], lease_seconds / _BEATS_A_LEASE):
            scores = experiment.run(claim.unit)
        refuse_gaps(database, claim, scores)
    except (KeyboardInterrupt, SystemExit):
        database.give_back(claim)
        raise
    except Exception as error:  # kept, counted and shown by `status` and `report`; never a zero
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            database.give_back(claim)
            raise
        logger.warning("%s failed: %s", describe(claim.unit), error)
        database.fail(claim, f"{type(error).__name__}: {error}"[:2000])
        done.failed += 1
        return
    database.finish(claim, scores, time.monotonic() - started)
    done.finished += 1


def refuse_gaps(database: StudyDatabase, claim: Claim, scores: Sequence[CellScore]) -> None:
    """Refuse scores of a unit that lack a target of the plan, or hold what is no number.

    Args:
        database ([`StudyDatabase`]): the study.
        claim ([`Claim`]): what was run.
        scores (`Sequence[CellScore]`): what came of it.

    Raises:
        ValueError: naming what is missing.
    """
    unit = claim.unit
    planned = {
        (task, target)
        for task, targets in database.settings()["targets"].items()
        for target in targets
        if unit.kind != "combination" or target in unit.languages
    }
    found = {(score.task, score.target) for score in scores}
    if missing := sorted(planned - found):
        shown = ", ".join(f"{task} of {target}" for task, target in missing[:5])
        raise ValueError(f"no score of {shown}{' and more' if len(missing) > 5 else ''}")
    if wrong := [score for score in scores if not math.isfinite(score.value)]:
        raise ValueError(f"{wrong[0].task} of {wrong[0].target} has the score {wrong[0].value}")


@contextmanager
def signs_of_life(folder: Path, claims: Sequence[Claim], every: float) -> Iterator[None]:
    """Show that units are being worked on, from a thread.

    Args:
        folder (`Path`): the study.
        claims (`Sequence[Claim]`): the units; those that are finished show none.
        every (`float`): seconds between two signs.
    """
    stop = threading.Event()

    def show() -> None:
        with StudyDatabase(folder) as database:  # a connection belongs to its thread
            while not stop.wait(every):
                try:
                    for claim in claims:
                        database.beat(claim)
                except OSError as error:
                    logger.warning("no sign of life could be shown: %s", error)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM, a scheduler's way of ending a job, gives the unit back as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _is_dead(worker: str) -> bool:
    host, _, rest = worker.partition(":")
    pid = rest.partition(":")[0]
    if host != platform.node() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
