"""Faults at chosen moments: a process that is killed, or a disk that is full, at the n-th change of a folder."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


# What Python does to a disk; `os.replace` is told of as a renaming.
_CHANGES = ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _is_change(event: str, arguments: tuple, folder: bytes) -> bool:
    if event != "open" and event not in _CHANGES:
        return False
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITING):
        return False
    path = arguments[0]
    return isinstance(path, (str, bytes, os.PathLike)) and os.fsencode(path).startswith(folder)


def in_child(work: Callable[[], object], folder: Path, n: int | None, fault: str) -> tuple[str, int]:
    """Do `work` in a forked process that meets a fault at its n-th change of what lies in `folder`.

    Args:
        work (`Callable`): what to do.
        folder (`Path`): the folder.
        n (`int`, *optional*): which change, from 0; None for no fault.
        fault (`str`): `"kill"` or `"full disk"`, which lasts from there on.

    Returns:
        `tuple[str, int]`: how it ended, `"finished"`, `"killed"` or the error it raised, and how many changes it made.
    """
    receiver, sender = os.pipe()
    # A thread that has run OpenMP (SentencePiece's trainer does) leaves its child a team of threads that fork did not
    # copy, and the child's first parallel loop waits for them for ever. A new thread has no team to leave.
    with ThreadPoolExecutor(1) as thread:
        child = thread.submit(_fork, work, os.fsencode(folder), n, fault, sender).result()
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return "killed", 0
    changes_made, _, told = said.partition("\n")
    return told, int(changes_made)


def _fork(work: Callable[[], object], folder: bytes, n: int | None, fault: str, sender: int) -> int:
    child = os.fork()
    if child:
        return child
    signal.alarm(240)
    own, changes, active = os.getpid(), 0, True

    def hook(event: str, arguments: tuple) -> None:
        nonlocal changes
        if not active or os.getpid() != own or not _is_change(event, arguments, folder):
            return
        changes += 1
        if n is None or changes <= n:
            return
        if fault == "kill":
            os.kill(own, signal.SIGKILL)
        if event in ("open", "os.mkdir", "os.link"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sys.addaudithook(hook)
    try:
        work()
        told = "finished"
    except (ValueError, OSError, ImportError) as error:  # what the command line prints as one line
        told = f"{type(error).__name__}: {error}"
    except BaseException:
        told = f"TRACEBACK {traceback.format_exc()}"
    active = False
    os.write(sender, f"{changes}\n{told}".encode()[:60_000])
    os._exit(0)


def flip_bit(path: Path, place: int) -> None:
    """Damage a file without changing its size: flip a bit of the byte at `place` (modulo its size)."""
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << (place % 8)
    path.write_bytes(bytes(content))


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
