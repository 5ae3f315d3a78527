"""Axes of the small SVGs that need no library and no font of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape


__all__ = ["COLOURS", "along", "svg_start", "ticks"]

#: Okabe and Ito's colours, as in all pictures here.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")

_TICKS = 5


def svg_start(width: int, height: int, title: str) -> list[str]:
    """The first elements of a picture on white ground, to be closed by `</svg>`.

    Args:
        width (`int`): in pixels.
        height (`int`): in pixels.
        title (`str`): what it shows, for those who cannot see it.
    """
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from below the lowest to above the highest.

    Args:
        low (`float`): the lowest value that is drawn.
        high (`float`): the highest.
    """
    span = high - low or abs(high) or 1.0
    raw = span / _TICKS
    unit = 10.0 ** math.floor(math.log10(raw))
    step = unit * next(times for times in (1, 2, 5, 10) if unit * times >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    if first == last:
        last += 1
    return [round(number * step, 10) for number in range(first, last + 1)]


def along(value: float, ticks: Sequence[float], start: float, stop: float) -> float:
    """Where a value stands on an axis, in pixels.

    Args:
        value (`float`): between the first tick and the last.
        ticks (`Sequence[float]`): of the axis.
        start (`float`): where the first of them is.
        stop (`float`): where the last is.
    """
    return start + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (stop - start)
