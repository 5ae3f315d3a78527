"""Opening the files of a corpus through what they are compressed with, and one way of saying that one is damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from hf_mplm.jobs.files import DamagedError

from .formats import compression_of
from .quoting import shorten


__all__ = ["name_damage", "open_binary"]

_BLOCK = 1 << 18
# Text of a large corpus compresses to few long lines at times; a larger buffer makes no difference in speed.
_BUFFER = 1 << 20


def open_binary(path: str | Path) -> IO[bytes]:
    """Open a file, through gzip, bzip2, xz or zstd where its name says so.

    All of the streams, or frames, that stand one after the other in a file are read, as parallel compressors write
    them; an end in the middle of one and bytes after the last are errors.

    Args:
        path (`str` or `Path`): the file.
    """
    compression = compression_of(Path(path).name)
    if compression == "gzip":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if compression == "bzip2":
        return io.BufferedReader(_Streams(path, bz2.BZ2Decompressor), _BUFFER)
    if compression == "xz":
        return io.BufferedReader(_Streams(path, lzma.LZMADecompressor, padding=b"\0"), _BUFFER)
    if compression == "zstd":
        stream = pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd")
        return io.BufferedReader(cast("io.RawIOBase", stream), _BUFFER)
    return open(path, "rb")


class _Streams(io.RawIOBase):
    """One compressed stream after the other. Python's own files take what follows the first for padding."""

    def __init__(self, path: str | Path, make: Callable[[], Any], padding: bytes = b"") -> None:
        self._make, self._padding = make, padding
        self._file = open(path, "rb")  # noqa: SIM115
        self._stream = make()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            block = b""
            if self._stream.eof:
                block = self._next_stream()
                if not block:
                    return 0
                self._stream = self._make()
            elif self._stream.needs_input:
                block = self._file.read(_BLOCK)
                if not block:
                    raise EOFError("it ends in the middle of its compressed data")
            data = self._stream.decompress(block, len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)

    def _next_stream(self) -> bytes:
        block = self._stream.unused_data.lstrip(self._padding) if self._padding else self._stream.unused_data
        while not block and (more := self._file.read(_BLOCK)):
            block = more.lstrip(self._padding) if self._padding else more
        return block

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def name_damage(name: str) -> Iterator[None]:
    """Turn whatever a decoder says of a broken file into one error that names the file.

    Args:
        name (`str`): how reports name it.

    Raises:
        DamagedError: for the errors of gzip, bzip2, xz, zstd, Parquet and Arrow.
    """
    try:
        yield
    except DamagedError:
        raise
    except (EOFError, OverflowError, UnicodeDecodeError, lzma.LZMAError, zlib.error, pa.ArrowException) as error:
        raise _damaged(name, error) from error
    except OSError as error:
        # The system's errors have a number; those of decoders have none.
        if error.errno is not None:
            raise
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> DamagedError:
    what = shorten(str(error).strip() or type(error).__name__, 160).rstrip(".")
    return DamagedError(name, f"it cannot be read to its end ({what})", "Fetch it again, and repeat the command.")
