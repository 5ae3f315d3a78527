"""Writing to disk such that a file that stands under its name is whole."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


__all__ = ["TEMPORARY_SUFFIX", "atomic_write", "explain_full_disk", "read_json", "sync_folder", "write_json"]

TEMPORARY_SUFFIX = ".unfinished"

# EFBIG is what a limit on file sizes (ulimit -f) gives.
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `path` that takes the name `path` only when all of it is on disk.

    Args:
        path (`Path`): where the finished file stands; an older file of that name is replaced.
    """
    # The process id keeps two writers of the same file from sharing an unfinished one.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with open(unfinished, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, whole or not at all."""
    with atomic_write(path) as handle:
        handle.write((json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote; None if there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


@contextmanager
def explain_full_disk(folder: Path, advice: str) -> Iterator[None]:
    """Turn the bare "No space left on device" into an error that says what to do.

    Args:
        folder (`Path`): where is being written.
        advice (`str`): what the user can do, in one sentence.

    Raises:
        OSError: with the errno of the original, when the disk, the quota or the limit on file sizes is used up.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_IS_FULL:
            raise
        raise OSError(error.errno, f"no space left to write in {folder} ({error.strerror}). {advice}") from error
