"""What pictures of many languages need to stay legible: few colours, and labels that do not cover each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np


__all__ = ["MOST_GROUPS", "REST", "group_colours", "label_points"]

MOST_GROUPS = 8
"""Groups that have a colour of their own."""

REST = "other"
"""What the grey of all further groups is called."""

# Okabe and Ito's colours without their grey, which is for the rest here, and a brown.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#7A5230")
_GREY = "#b8b8b8"
# Where a label may stand, as seen from its point: horizontally -1 for left of it, vertically -1 for below it.
_SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
_GAP = 4.0


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """Colours of the largest groups, in the order of their names, and grey for the rest where there is one.

    Args:
        groups (`Sequence[str]`): the group of each language.
    """
    sizes = Counter(groups)
    largest = sorted(sizes, key=lambda group: (-sizes[group], group))[:MOST_GROUPS]
    colours = dict(zip(sorted(largest), _COLOURS))
    return colours if len(largest) == len(sizes) else {**colours, REST: _GREY}


def label_points(
    figure: Any, axes: Any, points: np.ndarray, names: Sequence[str], order: Sequence[int], fontsize: float = 7.5
) -> list[int]:
    """Write names beside points, where they cover no other name; where there is no room, a point stays without.

    Args:
        figure (`Figure`): whose other parts are all there.
        axes (`Axes`): of the points.
        points (`np.ndarray`): Shape: (points, 2).
        names (`Sequence[str]`): what to write.
        order (`Sequence[int]`): the points, those first that are to have their name in any case.
        fontsize (`float`, *optional*, defaults to 7.5): in points.

    Returns:
        `list[int]`: the points that have their name.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    # What has been measured must stay where it is.
    figure.set_layout_engine("none")
    unit = figure.dpi / 72
    frame = axes.get_window_extent(renderer)
    places = axes.transData.transform(points)
    taken = np.empty((0, 4))
    labelled = []
    for row in order:
        text = axes.annotate(names[row], points[row], textcoords="offset points", xytext=(0, 0), fontsize=fontsize)
        extent = text.get_window_extent(renderer)
        width, height = extent.width, extent.height
        for side, level in _SIDES:
            left = places[row, 0] + side * _GAP * unit - width * (1 - side) / 2
            low = places[row, 1] + level * _GAP * unit / 2 - height * (1 - level) / 2
            box = np.array([left, low, left + width, low + height])
            inside = frame.x0 <= box[0] and box[2] <= frame.x1 and frame.y0 <= box[1] and box[3] <= frame.y1
            if inside and not _overlaps(box, taken):
                offset = (box[:2] - [extent.x0, extent.y0]) / unit
                text.set_position(tuple(offset))
                taken = np.vstack([taken, box])
                labelled.append(row)
                break
        else:
            text.remove()
    return labelled


def _overlaps(box: np.ndarray, taken: np.ndarray) -> bool:
    apart = (taken[:, 2] <= box[0]) | (taken[:, 0] >= box[2]) | (taken[:, 3] <= box[1]) | (taken[:, 1] >= box[3])
    return bool((~apart).any())
