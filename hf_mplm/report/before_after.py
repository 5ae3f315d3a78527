"""Two values of each language with a line between them, as a small SVG that needs no library."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from .axes import COLOURS, along, svg_start, ticks


__all__ = ["Change", "before_after"]

_WIDTH, _ROW = 640, 22
_LEFT, _RIGHT, _TOP, _BOTTOM = 190, 24, 34, 44


class Change(NamedTuple):
    """One line of the picture.

    Attributes:
        name (`str`): such as a language's code.
        before (`float`, *optional*): the value of before, where there was one.
        after (`float`): the value of now.
    """

    name: str
    before: float | None
    after: float


def before_after(changes: Sequence[Change], label: str) -> str:
    """Draw where each language was, and where it is.

    Args:
        changes (`Sequence[Change]`): one line each, from the top down.
        label (`str`): what the values are, with their unit.

    Returns:
        `str`: an SVG on white ground; the same numbers give the same text.

    Raises:
        ValueError: if there is none.
    """
    if not changes:
        raise ValueError("there is no change to draw")
    height = _TOP + _ROW * len(changes) + _BOTTOM
    values = [value for one in changes for value in (one.before, one.after) if value is not None]
    marks = ticks(min(values), max(values))

    def place(value: float) -> str:
        return f"{along(value, marks, _LEFT, _WIDTH - _RIGHT):.1f}"

    parts = svg_start(_WIDTH, height, f"{label}, before and after: {', '.join(one.name for one in changes)}")
    for mark in marks:
        parts.append(f'<path d="M{place(mark)} {_TOP}V{height - _BOTTOM}" stroke="#dddddd"/>')
        middle = f'x="{place(mark)}" y="{height - 24}" text-anchor="middle"'
        parts.append(f'<text {middle} fill="#444444">{mark:g}</text>')
    across = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{across}" y="{height - 6}" text-anchor="middle" fill="#444444">{escape(label)}</text>')
    for row, one in enumerate(changes):
        y = _TOP + _ROW * (row + 0.5)
        parts.append(
            f'<text x="{_LEFT - 10}" y="{y + 4:.1f}" text-anchor="end" fill="#222222">{escape(one.name)}</text>'
        )
        if one.before is not None:
            parts.append(
                f'<path d="M{place(one.before)} {y:.1f}H{place(one.after)}" stroke="#888888" stroke-width="2"/>'
            )
            parts.append(f'<circle cx="{place(one.before)}" cy="{y:.1f}" r="5" fill="#ffffff" stroke="{COLOURS[0]}"/>')
        parts.append(f'<circle cx="{place(one.after)}" cy="{y:.1f}" r="5" fill="{COLOURS[1]}"/>')
    parts.append(f'<circle cx="{_LEFT + 6}" cy="16" r="5" fill="#ffffff" stroke="{COLOURS[0]}"/>')
    parts.append(f'<text x="{_LEFT + 18}" y="20" fill="#222222">before</text>')
    parts.append(f'<circle cx="{_LEFT + 86}" cy="16" r="5" fill="{COLOURS[1]}"/>')
    parts.append(f'<text x="{_LEFT + 98}" y="20" fill="#222222">after</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
