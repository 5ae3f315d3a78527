"""One writer a folder: whoever comes second is told who the first one is."""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout


__all__ = ["LOCK_FILES", "FolderInUseError", "hold_folder"]

logger = logging.getLogger(__name__)

_LOCK, _OWNER = ".hf-mplm.lock", ".hf-mplm.owner.json"
LOCK_FILES = (_LOCK, _OWNER)
"""Names of the files that a lock leaves in a folder while it is held: never published, never counted as content."""

# A lock of the system is let go of when its process ends. Where folders are shared between machines it may not be seen
# at all, so that the owner also shows signs of life.
_HEARTBEAT = 10.0
_SILENCE = 6 * _HEARTBEAT


class FolderInUseError(OSError):
    """Another process writes into the folder at this moment."""


@contextmanager
def hold_folder(folder: Path, doing: str) -> Iterator[None]:
    """Keep every other process from writing into a folder.

    The lock is the system's: it ends with the process, however that ends. What a dead process left behind is told,
    and does not stand in the way.

    Args:
        folder (`Path`): the folder, which is made where it is missing.
        doing (`str`): the verb of the messages, such as `"hf-mplm pretrain"`.

    Raises:
        FolderInUseError: naming host, process and age of the one that holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Not reentrant over threads, so that two runs of one process are told apart too.
    lock = FileLock(str(folder / _LOCK), timeout=0, thread_local=False, is_singleton=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise _refusal(folder, _read_owner(folder)) from error
    try:
        before = _read_owner(folder)
        if before is not None:
            if _may_live_elsewhere(before, folder):
                raise _refusal(folder, before)
            logger.warning(
                "%s: %s ended without finishing (%s); its lock is taken over",
                folder,
                before.get("doing", "a process"),
                _who(before),
            )
        stop = threading.Event()
        _write_owner(folder, doing)
        pulse = threading.Thread(target=_beat, args=(folder / _OWNER, stop), daemon=True)
        pulse.start()
        try:
            yield
        finally:
            stop.set()
            pulse.join()
            (folder / _OWNER).unlink(missing_ok=True)
    finally:
        # Unlinked while it is held: whoever waits on the old file finds that it is gone, and nobody else can hold it.
        (folder / _LOCK).unlink(missing_ok=True)
        lock.release()


def _write_owner(folder: Path, doing: str) -> None:
    owner = {"doing": doing, "host": platform.node(), "pid": os.getpid(), "since": time.time()}
    (folder / _OWNER).write_text(json.dumps(owner), encoding="utf-8")


def _read_owner(folder: Path) -> dict[str, Any] | None:
    try:
        owner = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
        return {**owner, "seen": (folder / _OWNER).stat().st_mtime}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):  # half written
        return {}


def _beat(owner: Path, stop: threading.Event) -> None:
    while not stop.wait(_HEARTBEAT):
        try:
            os.utime(owner)
        except OSError:  # the folder was removed, or the disk is away for a moment
            continue


def _may_live_elsewhere(owner: dict[str, Any], folder: Path) -> bool:
    """Whether the owner is on another machine and gave a sign of life a moment ago."""
    if owner.get("host") in (None, platform.node()):
        return False
    # The file system's clock and not this machine's, which may go wrong.
    (folder / _LOCK).touch()
    return bool((folder / _LOCK).stat().st_mtime - owner["seen"] < _SILENCE)


def _refusal(folder: Path, owner: dict[str, Any] | None) -> FolderInUseError:
    owner = owner or {}
    doing = owner.get("doing", "another process")
    return FolderInUseError(
        f"{folder} is in use: {doing} writes there at this moment ({_who(owner)}); wait for it, end it, or give "
        "another --output"
    )


def _who(owner: dict[str, Any]) -> str:
    if "pid" not in owner:
        return "host and process unknown"
    age = max(0.0, time.time() - float(owner["since"]))
    shown = f"{age:.0f} s" if age < 120 else f"{age / 60:.0f} min" if age < 7200 else f"{age / 3600:.1f} h"
    return f"host {owner['host']}, process {owner['pid']}, for {shown}"
