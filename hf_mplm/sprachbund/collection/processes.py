"""Training each member of a collection in a process of its own, one after another or on several devices at once."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .members import Member


__all__ = ["Outcome", "train_members"]

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


@dataclass
class Outcome:
    """How the training of a member ended.

    Args:
        member (`Member`): the member.
        status (`int`): exit status of its process, 0 for a finished model.
        log (`Path`): what the process printed, where it ran beside others.
    """

    member: Member
    status: int
    log: Path | None = None


def train_members(
    members: Sequence[Member],
    command: Callable[[Member], Sequence[str]],
    *,
    devices: Sequence[str] = (),
    logs: Path,
    finished: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Run one process a member; one that fails does not stop the others.

    A signal that ends a training (SIGTERM, SIGUSR1) is handed to the processes at work, which save a whole checkpoint;
    no further one is begun.

    Args:
        members (`Sequence[Member]`): what to train.
        command (`Callable`): member to the words of `hf-mplm`.
        devices (`Sequence[str]`, *optional*): accelerators by number; each trains one member at a time, and what its
            processes print goes into a file. Without, the members follow each other on whatever there is.
        logs (`Path`): folder for these files.
        finished (`Callable`, *optional*): called with each outcome as it comes.

    Returns:
        `list[Outcome]`: of all members that were begun, in the order in which they ended.
    """
    waiting = list(members)
    places: list[str | None] = list(devices) or [None]
    running: dict[str | None, tuple[subprocess.Popen[Any], Outcome]] = {}
    outcomes: list[Outcome] = []
    with _handing_on(lambda: [process for process, _ in running.values()]) as told:
        try:
            while waiting or running:
                for place in places:
                    if place not in running and waiting and not told:
                        member = waiting.pop(0)
                        logger.info("%s: %d languages, %s steps", member.folder, len(member.trained_on), member.steps)
                        running[place] = _begin(member, command(member), place, logs)
                for place, (process, outcome) in list(running.items()):
                    if (status := process.poll()) is not None:
                        del running[place]
                        outcome.status = status
                        outcomes.append(outcome)
                        finished(outcome)
                if told and not running:
                    break
                time.sleep(_POLL_SECONDS)
        finally:
            for process, _ in running.values():
                process.terminate()
            for process, _ in running.values():
                process.wait()
    return outcomes


def _begin(
    member: Member, words: Sequence[str], device: str | None, logs: Path
) -> tuple[subprocess.Popen[Any], Outcome]:
    environment = dict(os.environ)
    log: Path | None = None
    output: IO[bytes] | None = None
    if device is not None:
        environment["CUDA_VISIBLE_DEVICES"] = device
        log = logs / f"{member.folder}.log"
        output = open(log, "ab")
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "hf_mplm", *words], env=environment, stdout=output, stderr=output
        )
    finally:
        if output is not None:
            output.close()
    return process, Outcome(member, -1, log)


@contextmanager
def _handing_on(running: Callable[[], list[subprocess.Popen[Any]]]) -> Any:
    """Give signals that end a training to the processes at work, and keep which came."""
    told: list[int] = []

    def hand_on(number: int, frame: Any) -> None:
        told.append(number)
        for process in running():
            with suppress(ProcessLookupError):
                process.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in _SIGNALS}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
