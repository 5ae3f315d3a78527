"""What stands for a list: `"a b"`, `"a,b"` and `["a", "b"]` are the same, on the command line and in Python."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any


__all__ = ["as_codes", "as_list", "split_list"]


def split_list(text: str, *, keep_spaces: bool = False) -> list[str]:
    """Split what stands for a list in one word.

    Args:
        text (`str`): Items separated by commas or spaces.
        keep_spaces (`bool`, *optional*, defaults to `False`): Split at commas only, and not even there if the whole
            is the path of something that exists.

    Returns:
        `list[str]`: The items, without the spaces around them and without empty ones.
    """
    if not keep_spaces:
        return [item for item in re.split(r"[,\s]+", text) if item]
    if "," in text and _exists(text):
        return [text]
    return [item.strip() for item in text.split(",") if item.strip()]


def as_list(value: Any, *, keep_spaces: bool = False) -> list[Any]:
    """Take a list as the command line gives it, in a string, or as Python does.

    Without this a string would be read letter by letter, as Python reads it.

    Args:
        value (`str`, `Iterable` or one value): `"a,b"`, `["a", "b"]`, `["a,b", "c"]`, or a value that is no list.
        keep_spaces (`bool`, *optional*, defaults to `False`): For paths and labels, see [`split_list`]; what stands
            in a list is then taken as it is.

    Returns:
        `list`: The values.

    Raises:
        ValueError: If a string names nothing.
    """
    if isinstance(value, str):
        items = split_list(value, keep_spaces=keep_spaces)
        if not items:
            raise ValueError(f"{value!r} names nothing; needed is one item or several, such as 'a b' or 'a,b'")
        return items
    if not isinstance(value, Iterable):
        return [value]
    if keep_spaces:
        return list(value)
    return [part for item in value for part in (split_list(item) if isinstance(item, str) else [item])]


def as_codes(languages: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Take languages that may be left out, as [`as_list`] does.

    Args:
        languages (`str` or `Iterable[str]`, *optional*): Codes such as `swh_Latn`.

    Returns:
        `tuple[str, ...]` or `None`: The codes; `None` where none are named, which stands for all.

    Raises:
        ValueError: If a string names nothing.
    """
    return None if languages is None else tuple(as_list(languages))


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False
