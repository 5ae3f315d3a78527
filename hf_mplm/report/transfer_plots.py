"""Pictures of a transfer study: targets on the globe, curves over steps, violins; and the order of a heat map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .labels import label_points
from .plots import PictureFormat, _figure, _plain, _render


__all__ = ["Extremes", "clustered_order", "step_curves", "target_map", "violins"]

_COLUMNS = 4
_BLUE, _GREY, _RED = "#0072B2", "#777777", "#D55E00"


class Extremes(NamedTuple):
    """What is written above and below a curve at a step: the best and the worst names, and how many gain and lose."""

    best: Sequence[str]
    worst: Sequence[str]
    gains: int
    losses: int


def clustered_order(matrix: np.ndarray) -> list[int]:
    """The rows of a matrix in the order of a tree (average linkage), so that rows that are alike stand together.

    Args:
        matrix (`np.ndarray`): NaN counts as 0. Shape: (rows, columns).
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(matrix) < 3:
        return list(range(len(matrix)))
    return [int(row) for row in leaves_list(linkage(np.nan_to_num(matrix), "average", optimal_ordering=True))]


def target_map(
    places: Mapping[str, tuple[float, float]],
    values: Mapping[str, float],
    *,
    label: str,
    file_format: PictureFormat = "svg",
) -> bytes:
    """Languages where they are spoken, coloured by a share.

    Args:
        places (`Mapping[str, tuple[float, float]]`): code to latitude and longitude, in degrees.
        values (`Mapping[str, float]`): code to a number from 0 to 1, for each of `places`.
        label (`str`): what the numbers are.
        file_format (`"svg"` or `"png"`, *optional*, defaults to `"svg"`): of the picture.
    """
    codes = list(places)
    points = np.array([(longitude, latitude) for latitude, longitude in places.values()]).reshape(-1, 2)
    figure, axes = _figure(10.0, 5.2)
    axes.grid(True, color="#e5e5e5", linewidth=0.6)
    shown = axes.scatter(
        *points.T,
        c=[values[code] for code in codes],
        cmap="RdYlBu",
        vmin=0,
        vmax=1,
        s=40,
        edgecolors="#444444",
        linewidths=0.5,
    )
    axes.set_xlabel("longitude (degrees)")
    axes.set_ylabel("latitude (degrees)")
    axes.margins(0.08)
    figure.colorbar(shown, ax=axes, label=_plain(label), shrink=0.8)
    # What stands out is named first.
    order = sorted(range(len(codes)), key=lambda row: -abs(values[codes[row]] - 0.5))
    label_points(figure, axes, points, list(map(_plain, codes)), order)
    return _render(figure, file_format)


def step_curves(
    series: Mapping[str, tuple[Sequence[int], Sequence[float], Sequence[float]]],
    *,
    ylabel: str,
    extremes: Mapping[str, Mapping[int, Extremes]] | None = None,
    file_format: PictureFormat = "svg",
) -> bytes:
    """A panel a transfer language: its mean over steps on a logarithmic axis, with a band of the spread.

    Args:
        series (`Mapping[str, tuple[Sequence, Sequence, Sequence]]`): name to steps, means and standard deviations.
        ylabel (`str`): what is measured.
        extremes (`Mapping[str, Mapping[int, Extremes]]`, *optional*): name and step to what is written there.
        file_format (`"svg"` or `"png"`, *optional*, defaults to `"svg"`): of the picture.
    """
    columns = min(_COLUMNS, len(series))
    lines = -(-len(series) // columns)
    extremes = extremes or {}
    figure, _ = _figure(1.0 + 2.4 * columns, 0.8 + (2.4 if extremes else 1.8) * lines)
    figure.clear()
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for axes in panels.flat[len(series) :]:
        axes.set_visible(False)
    for place, (axes, (name, (steps, means, spreads))) in enumerate(zip(panels.flat, series.items())):
        middle, reach = np.asarray(means, dtype=np.float64), np.asarray(spreads, dtype=np.float64)
        axes.axhline(0, color=_GREY, linewidth=0.6)
        axes.fill_between(steps, middle - reach, middle + reach, color=_BLUE, alpha=0.2, linewidth=0)
        axes.plot(steps, middle, color=_BLUE, marker="o", markersize=3, linewidth=1.4)
        axes.set_xscale("log")
        axes.set_xticks(steps, list(map(str, steps)))
        axes.minorticks_off()
        for step, said in extremes.get(name, {}).items():
            _write_extremes(axes, step, said)
        axes.set_title(_plain(name), fontsize=9)
        # The last line may be short, and the panels above its gaps are the last ones of their columns.
        axes.tick_params(labelsize=7, labelbottom=place >= len(series) - columns)
        axes.spines[["top", "right"]].set_visible(False)
    if extremes:
        # Room for the writing; all panels share their axes.
        low, high = panels[0, 0].get_ylim()
        panels[0, 0].set_ylim(low - 0.45 * (high - low), high + 0.45 * (high - low))
        panels[0, 0].margins(x=0.15)
    figure.supxlabel("steps", fontsize=9)
    figure.supylabel(_plain(ylabel), fontsize=9)
    return _render(figure, file_format)


def _write_extremes(axes: Any, step: int, said: Extremes) -> None:
    across = axes.get_xaxis_transform()
    above = "\n".join([f"{said.gains} gain", *map(_plain, said.best)])
    below = "\n".join([*map(_plain, said.worst), f"{said.losses} lose"])
    axes.text(step, 0.98, above, transform=across, ha="center", va="top", fontsize=5.5, color=_BLUE)
    axes.text(step, 0.02, below, transform=across, ha="center", va="bottom", fontsize=5.5, color=_RED)


def violins(
    values: Mapping[str, Sequence[float]],
    *,
    ylabel: str,
    marked: Sequence[str] = (),
    file_format: PictureFormat = "svg",
) -> bytes:
    """How the numbers of each language are spread.

    Args:
        values (`Mapping[str, Sequence[float]]`): name to its numbers, of which there are some.
        ylabel (`str`): what they are.
        marked (`Sequence[str]`, *optional*): names in red, as the paper has the languages that the base has not read.
        file_format (`"svg"` or `"png"`, *optional*, defaults to `"svg"`): of the picture.
    """
    figure, axes = _figure(max(5.0, 1.2 + 0.34 * len(values)), 3.4)
    drawn = axes.violinplot(list(values.values()), positions=range(len(values)), showmedians=True, widths=0.8)
    for body in drawn["bodies"]:
        body.set_facecolor(_BLUE)
    axes.axhline(0, color=_GREY, linewidth=0.6)
    axes.set_xticks(range(len(values)), list(map(_plain, values)), rotation=60, ha="right", fontsize=8)
    for text, name in zip(axes.get_xticklabels(), values):
        text.set_color(_RED if name in marked else "black")
    axes.set_ylabel(_plain(ylabel))
    return _render(figure, file_format)
