"""What messages quote of what they were given: short, on one line, without what a terminal would act on."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path


__all__ = ["list_some", "printable", "shorten", "typed"]


def printable(text: str) -> str:
    """A text with control characters, and bytes of a file's name that are no UTF-8, written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def shorten(text: object, most: int = 60) -> str:
    """The beginning of a text, on one line."""
    whole = printable(str(text)[: most + 1])
    return whole if len(whole) <= most else whole[: most - 3] + "..."


def list_some(names: Iterable[object], most: int = 10, longest: int = 60) -> str:
    """The first names, each shortened, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(shorten(name, longest) for name in listed[:most]) + more


def typed(path: str | Path) -> str:
    """A path as it is typed in a shell."""
    return shlex.quote(printable(str(path)))
