"""What becomes of a run of several processes when one of them dies: told in one line, with what to do."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import psutil
import torch

from .checkpoints import find_last_checkpoint
from .processes import are_several


__all__ = ["LostProcessError", "telling_of_lost_processes"]

_TELLING: ContextVar[bool] = ContextVar("telling of lost processes", default=False)
# A process closes its connections a little before the system calls it dead.
_DYING_SECONDS = 3.0
# What gloo and NCCL say where they raise no error of torch.distributed's own.
_WORDS = ("gloo", "nccl", "connection closed by peer", "connection reset by peer", "broken pipe")


class LostProcessError(ConnectionError):
    """Another process of the run has died, so that this one cannot go on."""


class _EndedByLauncher(RuntimeError):
    """A launcher ends what is left of a run of which a process has died."""


@contextmanager
def telling_of_lost_processes(output_dir: str | Path, again: str = "repeat the same command") -> Iterator[None]:
    """Tell which process died and where the run goes on, instead of a collective's failure in each of the others.

    One of the processes that are left raises; the others end silently, so that it is told once. Within another of its
    kind, nothing is done.

    Args:
        output_dir (`str` or `Path`): the folder of the run, whose last whole checkpoint is named.
        again (`str`, *optional*, defaults to `"repeat the same command"`): what to do to go on.

    Raises:
        LostProcessError: in the first process that is left.
        SystemExit: in the others, with status 2.
    """
    if _TELLING.get():
        yield
        return
    peers: list[tuple[str, int]] = []
    if are_several():
        peers = [("", 0)] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(peers, (socket.gethostname(), os.getpid()))
    token = _TELLING.set(True)
    try:
        with _outliving_the_launcher(peers):
            yield
    except RuntimeError as error:
        dead = _dead(peers, wait=True) if peers and _of_collective(error) else []
        here = socket.gethostname()
        if not dead and not (_of_collective(error) and any(host != here for host, _ in peers)):
            raise
        rank = peers.index((here, os.getpid()))
        if rank != min(set(range(len(peers))) - set(dead)):
            # Until the one that tells it has looked who is dead, or this one would be named as well.
            time.sleep(_DYING_SECONDS + 1)
            raise SystemExit(2) from None
        last = find_last_checkpoint(output_dir)
        who = f"rank {', '.join(map(str, dead))}" if dead else "a rank on another machine"
        where = f"it goes on from {last}" if last else "there is no whole checkpoint yet, so that it begins anew"
        raise LostProcessError(
            f"{who} of {len(peers)} died, and the others cannot go on without it; what the launcher and it have "
            f"printed says why. Then {again}: {where}"
        ) from error
    finally:
        _TELLING.reset(token)


@contextmanager
def _outliving_the_launcher(peers: list[tuple[str, int]]) -> Iterator[None]:
    """Have a SIGTERM that a launcher sends because of a dead process leave time to tell of it; any other one ends."""
    if not peers or threading.current_thread() is not threading.main_thread():
        yield
        return
    telling = False

    def ask(number: int, _frame: Any) -> None:
        if not _dead(peers, wait=False):
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        signal.signal(number, signal.SIG_IGN)
        # A collective's failure that is on its way says the same.
        if not telling and sys.exc_info()[0] is None:
            raise _EndedByLauncher("the launcher ends this process, because another one has died")

    # None is a handler that was not set from Python, and cannot be set back from there.
    before = signal.signal(signal.SIGTERM, ask) or signal.SIG_DFL
    try:
        yield
    except RuntimeError:
        telling = True  # the line is yet to be printed, and the launcher's signal may be yet to come
        raise
    except BaseException:
        signal.signal(signal.SIGTERM, before)
        raise
    signal.signal(signal.SIGTERM, before)


def _of_collective(error: RuntimeError) -> bool:
    known = (torch.distributed.DistError, _EndedByLauncher)
    return isinstance(error, known) or any(word in str(error).lower() for word in _WORDS)


def _dead(peers: list[tuple[str, int]], *, wait: bool) -> list[int]:
    """The ranks on this machine that have ended."""
    until = time.monotonic() + (_DYING_SECONDS if wait else 0.0)
    while True:
        dead = [rank for rank, (host, pid) in enumerate(peers) if host == socket.gethostname() and _ended(pid)]
        if dead or not peers or time.monotonic() > until:
            return dead
        time.sleep(0.05)


def _ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
