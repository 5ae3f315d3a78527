"""The elements of a file that is one JSON array, one after the other, whatever the size of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from .openers import open_binary
from .segments import Places, Segment


__all__ = ["NotAnArrayError", "array_elements", "raw_elements"]

_BLOCK = 1 << 20
# An element of so many bytes has lost its end.
_LONGEST = 1 << 28
_BOM = b"\xef\xbb\xbf"
# A string, whose last quote may be in a block to come, or what outside of strings separates and nests.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(")?|[][{},]', re.DOTALL)


class NotAnArrayError(EOFError):
    """The brackets of a file say that it is not one JSON array."""


def array_elements(handle: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Cut a JSON array at the commas between its elements, which are not looked into.

    Args:
        handle (`IO[bytes]`): the file, at its beginning.

    Yields:
        `tuple[int, bytes]`: the line in which an element begins, counted from 1, and its bytes.

    Raises:
        NotAnArrayError: if something stands before the array or after it, or it has no end.
    """
    buffer, at, begin, line, depth = b"", 0, 0, 1, 0
    has_begun = has_ended = False
    while block := handle.read(max(_BLOCK, len(buffer))):
        buffer += block
        scanned = len(buffer)
        for token in _TOKEN.finditer(buffer, at):
            mark = token[0]
            if mark[:1] == b'"':
                if token[1] is None:
                    scanned = token.start()
                    break
                continue
            if not has_begun:
                if mark != b"[" or buffer[: token.start()].removeprefix(_BOM).strip():
                    raise NotAnArrayError("it does not begin as a JSON array")
                has_begun, line, begin = True, line + buffer.count(b"\n", 0, token.end()), token.end()
            elif has_ended:
                break
            depth += (mark in b"[{") - (mark in b"]}")
            if depth == 0 or (depth == 1 and mark == b","):
                element = buffer[begin : token.start()]
                text = element.lstrip()
                if text or depth:
                    yield line + element[: len(element) - len(text)].count(b"\n"), text.rstrip()
                line += buffer.count(b"\n", begin, token.end())
                begin, has_ended = token.end(), depth == 0
        if has_ended and buffer[begin:].strip():
            raise NotAnArrayError("something follows its JSON array")
        # The beginning of an element that the next block goes on with.
        buffer, at, begin = buffer[begin:], scanned - begin, 0
        if len(buffer) > _LONGEST:
            raise NotAnArrayError(f"an element of its JSON array has more than {_LONGEST:,} bytes")
    if not has_ended:
        raise NotAnArrayError("its JSON array has no end")


def raw_elements(segment: Segment, places: Places) -> Iterator[bytes]:
    """The elements of a file that is a JSON array, as lines of JSON lines are given."""
    with open_binary(segment.file.path) as handle:
        for places.line, element in array_elements(handle):
            yield element
