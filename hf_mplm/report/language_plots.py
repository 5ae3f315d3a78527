"""Pictures of languages and their clusters: a tree, and the similarities of all pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .labels import REST, group_colours
from .plots import PictureFormat, _figure, _plain, _render


__all__ = ["dendrogram", "similarity_map"]

# Inches a language of the tree, and of the whole; what is larger cannot be opened everywhere.
_ROW, _TALLEST = 0.13, 80.0
_JOINT = "#777777"


def dendrogram(
    merges: np.ndarray,
    codes: Sequence[str],
    order: Sequence[int],
    groups: Sequence[str],
    *,
    xlabel: str,
    file_format: PictureFormat = "svg",
) -> bytes:
    """A tree of languages, its leaves at the right, with the branches of a cluster in its colour.

    Args:
        merges (`np.ndarray`): scipy's notation of a tree. Shape: (languages - 1, 4).
        codes (`Sequence[str]`): of the leaves.
        order (`Sequence[int]`): the leaves from top to bottom.
        groups (`Sequence[str]`): the cluster of each language.
        xlabel (`str`): what the distances are.
        file_format (`"svg"` or `"png"`, *optional*, defaults to `"svg"`): of the picture.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    count = len(codes)
    height = min(_TALLEST, max(3.0, _ROW * count + 1))
    figure, axes = _figure(8.0, height)
    axes.grid(False)
    colours = group_colours(groups)
    place = np.zeros(2 * count - 1)
    place[np.asarray(order)] = np.arange(count)
    distance = np.zeros(2 * count - 1)
    owner: list[str | None] = [*groups, *[None] * (count - 1)]
    lines, inks = [], []
    for number, (one, two, length, _) in enumerate(merges):
        node, one, two = count + number, int(one), int(two)
        place[node], distance[node] = (place[one] + place[two]) / 2, length
        owner[node] = owner[one] if owner[one] == owner[two] else None
        lines.append(
            [(distance[one], place[one]), (length, place[one]), (length, place[two]), (distance[two], place[two])]
        )
        group = owner[node]
        inks.append(_JOINT if group is None else colours.get(group, colours.get(REST, _JOINT)))
    axes.add_collection(LineCollection(lines, colors=inks, linewidths=1.0))
    axes.set_xlim(float(distance.max()) * 1.03 or 1.0, 0)
    axes.set_ylim(count - 0.3, -0.7)
    axes.yaxis.tick_right()
    # A tree that would be too tall names as many of its leaves as there is room for.
    step = int(np.ceil(_ROW * count / _TALLEST)) if _ROW * count > _TALLEST else 1
    shown = range(0, count, step)
    axes.set_yticks(list(shown), [_plain(codes[order[row]]) for row in shown], fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(_plain(xlabel))
    handles = [Line2D([], [], color=colour, label=_plain(name)) for name, colour in colours.items()]
    # Above the tree, whose root would lie under it otherwise.
    axes.legend(handles=handles, frameon=False, fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0, 1.0))
    return _render(figure, file_format)


def similarity_map(
    cosines: np.ndarray,
    codes: Sequence[str],
    groups: Sequence[str],
    *,
    label: str = "cosine",
    file_format: PictureFormat = "svg",
) -> bytes:
    """The similarities of all pairs of languages, with the clusters in one piece each, framed and named.

    Args:
        cosines (`np.ndarray`): in the order of the rows and columns. Shape: (languages, languages).
        codes (`Sequence[str]`): their codes, which are written where there is room for them.
        groups (`Sequence[str]`): the cluster of each, those of one cluster side by side.
        label (`str`, *optional*, defaults to `"cosine"`): what the numbers are.
        file_format (`"svg"` or `"png"`, *optional*, defaults to `"svg"`): of the picture.
    """
    from matplotlib.patches import Rectangle

    count = len(codes)
    side = min(11.0, max(4.5, 0.14 * count))
    figure, axes = _figure(side + 2.2, side + 0.8)
    axes.grid(False)
    reach = float(np.abs(cosines - np.diag(np.diag(cosines))).max()) or 1.0
    centred = bool((cosines < 0).any())
    limits = {"vmin": -reach if centred else float(cosines.min()), "vmax": reach if centred else 1.0}
    image = axes.imshow(
        cosines, cmap="RdBu" if centred else "viridis", interpolation="nearest", aspect="equal", **limits
    )
    starts = [row for row in range(count) if row == 0 or groups[row] != groups[row - 1]]
    colours = group_colours(groups)
    middles, names = [], []
    for start, stop in zip(starts, [*starts[1:], count]):
        colour = colours.get(groups[start], colours.get(REST, "black"))
        frame = Rectangle((start - 0.5, start - 0.5), stop - start, stop - start, fill=False, edgecolor=colour, lw=1.6)
        axes.add_patch(frame)
        # A name takes about a fiftieth of the side.
        if stop - start >= count / 50:
            middles.append((start + stop - 1) / 2)
            names.append(_plain(groups[start]))
    if 0.14 * count <= 11.0:
        axes.set_yticks(range(count), list(map(_plain, codes)), fontsize=7)
        axes.set_xticks(range(count), list(map(_plain, codes)), fontsize=7, rotation=90)
    else:
        axes.set_yticks(middles, names, fontsize=8)
        axes.set_xticks([])
    figure.colorbar(image, ax=axes, label=_plain(label), shrink=0.7)
    return _render(figure, file_format)
