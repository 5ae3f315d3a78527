"""Pictures of results, as SVG or PNG: bars per language, curves, heat maps, maps of languages.

Every function takes plain numbers, returns the bytes of a picture and leaves matplotlib's global state alone.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from hf_mplm._imports import require

from .labels import REST, group_colours, label_points


__all__ = ["PictureFormat", "bars", "curves", "heat_map", "language_map", "missing", "principal_components"]

PictureFormat = Literal["svg", "png"]

# Okabe and Ito's colours, which colour-blind readers can tell apart.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#000000")
# Letters of a name beyond which a picture would be all name.
_LONGEST_NAME = 60


def missing() -> str:
    """Why there can be no pictures here: the line that matplotlib's absence asks for, or `""`."""
    try:
        require("matplotlib", extra="report")
    except ImportError as error:
        return str(error)
    return ""


def bars(
    values: Mapping[str, Mapping[str, float]],
    *,
    ylabel: str,
    title: str = "",
    file_format: PictureFormat = "svg",
) -> bytes:
    """Grouped bars: one group a language, one bar a series.

    Args:
        values (`Mapping[str, Mapping[str, float]]`): series to language to value; a missing value leaves a gap.
        ylabel (`str`): what is measured, with its unit.
        title (`str`, *optional*): heading.
        file_format (`"svg"` or `"png"`, *optional*, defaults to `"svg"`): of the picture.

    Returns:
        `bytes`: the picture.
    """
    languages = list(dict.fromkeys(language for series in values.values() for language in series))
    figure, axes = _figure(max(6.0, 0.32 * len(languages) * max(1, len(values) / 2)), 3.4)
    width = 0.8 / max(1, len(values))
    positions = np.arange(len(languages))
    for number, (name, series) in enumerate(values.items()):
        heights = [series.get(language, np.nan) for language in languages]
        offset = (number - (len(values) - 1) / 2) * width
        axes.bar(positions + offset, heights, width, label=_plain(name), color=_COLOURS[number % len(_COLOURS)])
    axes.set_xticks(positions, list(map(_plain, languages)), rotation=60, ha="right", fontsize=8)
    axes.set_xlim(-0.6, len(languages) - 0.4)
    axes.set_ylabel(_plain(ylabel))
    axes.set_title(_plain(title))
    axes.legend(frameon=False, ncols=min(4, len(values)), loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=9)
    return _render(figure, file_format)


def curves(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    file_format: PictureFormat = "svg",
) -> bytes:
    """Lines over a common horizontal axis: series to (x, y)."""
    figure, axes = _figure(6.5, 3.4)
    for number, (name, (x, y)) in enumerate(series.items()):
        axes.plot(x, y, label=_plain(name), color=_COLOURS[number % len(_COLOURS)], linewidth=1.8)
    axes.set_xlabel(_plain(xlabel))
    axes.set_ylabel(_plain(ylabel))
    axes.legend(frameon=False)
    return _render(figure, file_format)


def heat_map(
    matrix: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    label: str,
    centre: float | None = None,
    file_format: PictureFormat = "svg",
) -> bytes:
    """A matrix as colours, with the numbers in the cells where they fit.

    Args:
        matrix (`np.ndarray`): the numbers; NaN is left white.
        rows (`Sequence[str]`): names of the rows; they may have several lines.
        columns (`Sequence[str]`): names of the columns.
        label (`str`): what the numbers are.
        centre (`float`, *optional*): for differences, the number that is neither good nor bad: it is drawn white,
            what is above it blue and what is below it red.
        file_format (`"svg"` or `"png"`, *optional*, defaults to `"svg"`): of the picture.

    Shapes:
        matrix: (rows, columns).

    Returns:
        `bytes`: the picture.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    rows, columns = list(map(_plain, rows)), list(map(_plain, columns))
    longest = max((len(line) for name in rows for line in name.split("\n")), default=0)
    figure, axes = _figure(1.4 + 0.07 * longest + 0.52 * len(columns), 1.2 + 0.36 * len(rows))
    axes.grid(False)
    if centre is None:
        image = axes.imshow(matrix, cmap="viridis", aspect="auto")
    else:
        reach = float(np.nanmax(np.abs(matrix - centre))) if np.isfinite(matrix).any() else 0.0
        reach = reach or 1.0
        image = axes.imshow(matrix, cmap="RdBu", aspect="auto", vmin=centre - reach, vmax=centre + reach)
        # White is a number here, so that a gap needs another ground.
        axes.set_facecolor("#dddddd")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    if len(rows) * len(columns) <= 400:
        for row, column in np.argwhere(np.isfinite(matrix)):
            # Adding zero makes -0.0 a 0.0.
            value = round(float(matrix[row, column]), 2) + 0.0
            red, green, blue, _ = image.cmap(image.norm(matrix[row, column]))
            ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=ink)
    figure.colorbar(image, ax=axes, label=_plain(label), shrink=min(1.0, 8 / max(8, len(rows))))
    return _render(figure, file_format)


def language_map(
    vectors: np.ndarray,
    codes: Sequence[str],
    groups: Sequence[str],
    *,
    axes_names: tuple[str, str] | None = None,
    first: Collection[str] = (),
    file_format: PictureFormat = "svg",
) -> bytes:
    """Languages as points on the first two principal components of their vectors, coloured by group.

    The eight largest groups have colours, all others are grey. A label that would cover another one is left out.

    Shapes:
        vectors: (languages, width).

    Args:
        vectors (`np.ndarray`): one vector a language, or where it stands in the plane.
        codes (`Sequence[str]`): the labels of the points.
        groups (`Sequence[str]`): what colours them, such as the family or the script.
        axes_names (`tuple[str, str]`, *optional*): names of the axes, if `vectors` are places in a plane.
        first (`Collection[str]`, *optional*): codes that get their label before all others.
        file_format (`"svg"` or `"png"`, *optional*, defaults to `"svg"`): of the picture.
    """
    if axes_names is None:
        points, explained = principal_components(vectors)
        axes_names = (
            f"first component ({explained[0]:.0%} of the variance)",
            f"second component ({explained[1]:.0%})",
        )
    else:
        points = np.asarray(vectors, dtype=np.float64)
    # More room for more languages, up to a page that can still be printed.
    scale = min(2.0, max(1.0, (len(codes) / 60) ** 0.5))
    figure, axes = _figure(7.5 * scale, 5.2 * scale)
    colours = group_colours(groups)
    for name, colour in colours.items():
        chosen = [
            index for index, group in enumerate(groups) if group == name or (name == REST and group not in colours)
        ]
        size = 36 if len(codes) <= 60 else 18
        axes.scatter(points[chosen, 0], points[chosen, 1], label=_plain(name), color=colour, s=size)
    axes.margins(0.12)
    axes.set_xlabel(_plain(axes_names[0]))
    axes.set_ylabel(_plain(axes_names[1]))
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    order = sorted(range(len(codes)), key=lambda row: codes[row] not in first)
    label_points(figure, axes, points, list(map(_plain, codes)), order)
    return _render(figure, file_format)


def principal_components(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two principal components.

    Shapes:
        vectors: (n, width); returns points (n, 2) and the share of the variance of each component (2,). The sign of a
        component is fixed by its largest entry, so that the same vectors always give the same picture.
    """
    from sklearn.decomposition import PCA

    matrix = np.asarray(vectors, dtype=np.float64)
    points, share = np.zeros((len(matrix), 2)), np.zeros(2)
    if (count := min(2, *matrix.shape)) and np.ptp(matrix, axis=0).any():
        components = PCA(count, svd_solver="full").fit(matrix)
        found = components.components_
        signs = np.where(found[np.arange(count), np.abs(found).argmax(axis=1)] < 0, -1.0, 1.0)
        points[:, :count] = components.transform(matrix) * signs
        share[:count] = components.explained_variance_ratio_
    return points, share


def _plain(name: str) -> str:
    """A name as matplotlib shows it unchanged: it sets `$...$` as a formula, and leaves `_...` out of legends."""
    lines = [line if len(line) <= _LONGEST_NAME else f"{line[:_LONGEST_NAME]}…" for line in str(name).split("\n")]
    text = "\n".join(lines).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _figure(width: float, height: float) -> tuple[Any, Any]:
    require("matplotlib", extra="report")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _render(figure: Any, file_format: PictureFormat) -> bytes:
    import matplotlib

    buffer = io.BytesIO()
    # A fixed salt and no date: the same numbers give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "hf_mplm", "svg.fonttype": "path"}):
        metadata = {"Date": None} if file_format == "svg" else {"Software": None}
        figure.savefig(buffer, format=file_format, dpi=150, metadata=metadata)
    return buffer.getvalue()
