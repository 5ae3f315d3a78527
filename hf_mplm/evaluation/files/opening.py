"""Opening a benchmark's file, compressed or not, with one boundary for whatever is wrong with its bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hf_mplm.jobs.files import parse_json

from .reads import note_read


__all__ = ["COMPRESSIONS", "DataError", "damaged", "parse_value", "plain_name", "read_head", "read_lines", "read_text"]

# Bytes of a file that tell how it is encoded.
HEAD = 4096
UTF8_MARK = b"\xef\xbb\xbf"
# UTF-32's mark in little-endian order begins with that of UTF-16.
MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
UNMARKED = ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE")
# Share of printable characters from which bytes are taken for text in an encoding.
MOSTLY = 0.9


class DataError(ValueError):
    """A file of a benchmark does not hold what its format promises. The message names the file and the line."""


def _open_zstd(path: Path, mode: str) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.OSFile(str(path), mode), "zstd")


#: Suffix to what opens such a file.
COMPRESSIONS: Mapping[str, Callable[[Path, str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstd,
}


def damaged(path: str | Path, what: str, advice: str = "Fetch it again.") -> DataError:
    """Make the error for a file that is not what its name promises.

    Args:
        path (`str` or `Path`): The file, perhaps with its line.
        what (`str`): What is wrong with it, as a clause.
        advice (`str`, *optional*): What to do, as a sentence.

    Returns:
        `DataError`: To be raised.
    """
    return DataError(f"damaged: {path}: {what}. {advice}")


def plain_name(path: Path) -> str:
    """Take the suffix of a compression off a file's name."""
    return path.stem if path.suffix.lower() in COMPRESSIONS else path.name


def read_text(path: Path) -> str:
    """Read a whole text file, without its byte order mark.

    Args:
        path (`Path`): A UTF-8 file, which may be compressed.

    Returns:
        `str`: Its text.

    Raises:
        DataError: If it is no file, is damaged or is not UTF-8, naming the line.
    """
    raw = _read_bytes(path).removeprefix(UTF8_MARK)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        start = error.start - (raw.rfind(b"\n", 0, error.start) + 1)
        raise DataError(f"{path}:{line} is not UTF-8 ({error.reason} at byte {start} of the line)") from error


def read_lines(path: Path) -> list[str]:
    r"""Read a text file as lines that end in `\n` alone, so that U+2028 and U+0085 stay inside a sentence.

    One `\r` at the end of a line is removed, as is a byte order mark. The last line may lack its `\n`.

    Args:
        path (`Path`): A UTF-8 file, which may be compressed.

    Returns:
        `list[str]`: The lines.

    Raises:
        DataError: If it is no file, is damaged or is not UTF-8, naming the line.
    """
    lines = read_text(path).split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_head(path: Path, size: int = 1 << 16) -> str:
    """Read the beginning of a text file, whatever faults it may have.

    Args:
        path (`Path`): A UTF-8 file, which may be compressed.
        size (`int`, *optional*, defaults to 65,536): The most bytes to read.

    Returns:
        `str`: What can be read of them; empty if there is nothing.
    """
    raw = b""
    try:
        if path.is_file():
            with COMPRESSIONS.get(path.suffix.lower(), open)(path, "rb") as file:
                # Piece by piece, so that what comes before the damage is there.
                while len(raw) < size and (piece := file.read(HEAD)):
                    raw += piece
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        pass
    return raw[:size].removeprefix(UTF8_MARK).decode("utf-8", errors="ignore")


def parse_value(text: str, place: str) -> Any:
    """Parse a piece of JSON.

    Args:
        text (`str`): The JSON.
        place (`str`): Where it stands.

    Returns:
        `Any`: The value.

    Raises:
        DataError: If it is no JSON, is nested too deep, or holds a number or a character that cannot be read.
    """
    try:
        value = parse_json(text)
    except ValueError as error:
        raise damaged(place, str(error)) from error
    if "\\u" in text and any(_is_torn(piece) for piece in _strings(value)):
        raise damaged(place, r"it holds half of a surrogate pair (\ud800 to \udfff), which is no character")
    return value


def _strings(value: Any) -> list[str]:
    found, waiting = [], [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            waiting.extend((*value, *value.values()))
        elif isinstance(value, list):
            waiting.extend(value)
    return found


def _is_torn(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _read_bytes(path: Path) -> bytes:
    # A pipe would be waited for without end.
    if not path.is_file():
        raise DataError(f"{path} is no file but {_kind(path)}; put the benchmark's file there, or remove it")
    note_read(path)
    suffix = path.suffix.lower()
    try:
        with COMPRESSIONS.get(suffix, open)(path, "rb") as file:
            raw: bytes = file.read()
    except PermissionError:
        raise
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        if suffix not in COMPRESSIONS:
            raise
        raise damaged(path, f"it is not whole {suffix[1:]} ({error})") from error
    head = raw[:HEAD]
    name = next((name for mark, name in MARKS if head.startswith(mark)), None)
    if name is None and b"\0" in head:
        name = next((name for name in UNMARKED if _is_text(head, name)), None)
    if name is not None:
        raise DataError(
            f"{path}:1 is {name}, not UTF-8; write it anew: iconv -f {name} -t UTF-8 {path.name} > utf-8.txt"
        )
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise damaged(f"{path}:{line}", "it holds a null byte, which no text does")
    return raw


def _kind(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    if path.is_symlink():
        return "a link that leads to no file"
    return "a pipe or a device" if path.exists() else "missing"


def _is_text(head: bytes, encoding: str) -> bool:
    text = head[: len(head) // 4 * 4].decode(encoding, errors="replace")
    readable = sum(char.isprintable() and char != "\ufffd" or char in "\n\r\t" for char in text)
    return bool(text) and readable >= MOSTLY * len(text)
