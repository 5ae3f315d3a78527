from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


__all__ = ["PackedRows", "pack_rows"]


class PackedRows(NamedTuple):
    """Texts laid side by side in rows of one width.

    Args:
        segments (`np.ndarray`): number of the text that each place holds, -1 for padding. Shape: (rows, width).
        positions (`np.ndarray`): place within that text, 0 for padding. Shape: (rows, width).
    """

    segments: np.ndarray
    positions: np.ndarray


def pack_rows(
    lengths: Sequence[int] | np.ndarray, multiple_of: int = 8, widest: int | None = None, narrowest: int = 1
) -> PackedRows:
    """Lay texts side by side, in rows as wide as the longest, so that hardly any place stays empty.

    Best-fit decreasing: the longest text first, each into the row that it fills best. No text is cut.

    Args:
        lengths (`Sequence[int]`): length of each text. Shape: (texts,).
        multiple_of (`int`, *optional*, defaults to 8): the width is rounded up to a multiple of this.
        widest (`int`, *optional*): but not beyond this, which no text is longer than.
        narrowest (`int`, *optional*, defaults to 1): nor is it less than this, where all texts are short.

    Returns:
        `PackedRows`: where each text stands; the same for the same lengths.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    width = -(-int(sizes.max(initial=narrowest)) // multiple_of) * multiple_of
    width = width if widest is None else min(width, widest)
    room = np.zeros(len(sizes), dtype=np.int64)
    n_rows = 0
    row_of, start_of = np.empty(len(sizes), dtype=np.int64), np.empty(len(sizes), dtype=np.int64)
    for text in np.argsort(-sizes, kind="stable"):
        left = room[:n_rows] - sizes[text]
        fitting = np.flatnonzero(left >= 0)
        if len(fitting):
            row = fitting[left[fitting].argmin()]
        else:
            row, n_rows = n_rows, n_rows + 1
            room[row] = width
        row_of[text], start_of[text] = row, width - room[row]
        room[row] -= sizes[text]
    segments = np.full((n_rows, width), -1, dtype=np.int64)
    positions = np.zeros((n_rows, width), dtype=np.int64)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = np.repeat(row_of * width + start_of, sizes) + within
    segments.ravel()[places] = np.repeat(np.arange(len(sizes)), sizes)
    positions.ravel()[places] = within
    return PackedRows(segments, positions)
