"""Writing to disk such that a file that stands under its name is whole."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


__all__ = [
    "TEMPORARY_SUFFIX",
    "DamagedError",
    "atomic_write",
    "explain_full_disk",
    "parse_json",
    "read_json",
    "sync_folder",
    "write_json",
]

TEMPORARY_SUFFIX = ".unfinished"


class DamagedError(OSError):
    """A file is not what was written, or not what its name promises.

    Args:
        path (`Path`): the file.
        what (`str`): what is wrong with it, as a clause.
        advice (`str`, *optional*): what to do, as a sentence.
    """

    def __init__(self, path: str | Path, what: str, advice: str = "Fetch or make it again.") -> None:
        super().__init__(f"damaged: {path}: {what}. {advice}")
        self.path, self.what, self.advice = Path(path), what, advice

    def __reduce__(self) -> tuple[type[DamagedError], tuple[Path, str, str]]:
        # An exception is rebuilt from its message alone, which would fail in the process that a worker reports to.
        return type(self), (self.path, self.what, self.advice)


# EFBIG is what a limit on file sizes (ulimit -f) gives.
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What libraries written in Rust (tokenizers, safetensors) and SQLite make of the same.
_TOLD_AS_TEXT = re.compile(
    rf"\(os error ({'|'.join(map(str, _DISK_IS_FULL))})\)|No space left on device|Disk quota exceeded|File too large"
    "|database or disk is full"
)


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
    # Two writers of the same file, be they on two machines, never share an unfinished one.
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
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


def parse_json(text: str | bytes) -> Any:
    """Parse JSON from anywhere.

    Raises:
        ValueError: for whatever is wrong with it: its syntax, its depth, a number of more digits than Python reads, or
            a key that an object holds twice, of which one would be lost.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("it is JSON that is nested too deep") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 ({error.reason} at byte {error.start})") from None
    except ValueError as error:
        if "set_int_max_str_digits" not in str(error):
            raise
        raise ValueError("it holds a number of more digits than Python reads") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"it has the key {twice[:40]!r} twice in one object")
    return value


def read_json(path: Path, advice: str = "Make it again.") -> Any:
    """Read what `write_json` wrote; None if there is no such file.

    Args:
        path (`Path`): the file.
        advice (`str`, *optional*): what to do where it is damaged, as a sentence.

    Raises:
        DamagedError: if it cannot be parsed.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        value = parse_json(raw)
    except ValueError as error:
        raise DamagedError(path, str(error), advice) from error
    if value is None:  # which nothing of ours writes, and which would pass for a file that is not there
        raise DamagedError(path, "it holds null", advice)
    return value


@contextmanager
def explain_full_disk(folder: Path, advice: str) -> Iterator[None]:
    """Turn the bare "No space left on device" into an error that says what to do.

    Args:
        folder (`Path`): where is being written.
        advice (`str`): what the user can do, in one sentence.

    Raises:
        OSError: when the disk, the quota or the limit on file sizes is used up, in whatever words a library says it.
    """
    try:
        yield
    except Exception as error:
        told = error.errno if isinstance(error, OSError) else None
        if told not in _DISK_IS_FULL:
            if not _TOLD_AS_TEXT.search(str(error)):
                raise
            told = errno.ENOSPC
        reason = os.strerror(told)
        raise OSError(told, f"no space left to write in {folder} ({reason}). {advice}") from error
