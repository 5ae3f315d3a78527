"""The loss of a run by step, as a small SVG that needs no library and no font of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from .axes import COLOURS, along, svg_start, ticks


__all__ = ["loss_curve", "loss_series"]

_WIDTH, _HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 34, 44
_MOST_POINTS = 400


def loss_series(history: Sequence[Mapping[str, float]]) -> dict[str, list[tuple[float, float]]]:
    """Training and held-out loss by step, out of a trainer's log.

    Args:
        history (`Sequence[Mapping[str, float]]`): `log_history` of `trainer_state.json`.

    Returns:
        `dict[str, list[tuple[float, float]]]`: series to steps and finite losses; empty series are left out.
    """
    series = {
        name: [
            (float(entry["step"]), float(entry[key]))
            for entry in history
            if "step" in entry and isinstance(entry.get(key), int | float) and math.isfinite(entry[key])
        ]
        for name, key in (("training", "loss"), ("held out", "eval_loss"))
    }
    return {name: sorted(dict(points).items()) for name, points in series.items() if points}


def loss_curve(series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draw losses over steps.

    Args:
        series (`Mapping[str, Sequence[tuple[float, float]]]`): name to points of step and loss.

    Returns:
        `str`: an SVG on white ground; the same numbers give the same text. Of a long series 400 points are drawn.

    Raises:
        ValueError: if there is no point.
    """
    points = [point for values in series.values() for point in values]
    if not points:
        raise ValueError("there is no loss to draw")
    across = ticks(min(x for x, _ in points), max(x for x, _ in points))
    up = ticks(min(y for _, y in points), max(y for _, y in points))

    def place(point: tuple[float, float]) -> str:
        x, y = along(point[0], across, _LEFT, _WIDTH - _RIGHT), along(point[1], up, _HEIGHT - _BOTTOM, _TOP)
        return f"{x:.1f},{y:.1f}"

    title = "Loss by step: " + ", ".join(f"{name} {values[-1][1]:.3f} at the end" for name, values in series.items())
    parts = svg_start(_WIDTH, _HEIGHT, title)
    for tick in up:
        y = along(tick, up, _HEIGHT - _BOTTOM, _TOP)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#444444">{tick:g}</text>')
    for tick in across:
        x = along(tick, across, _LEFT, _WIDTH - _RIGHT)
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 24}" text-anchor="middle" fill="#444444">{tick:,g}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle" fill="#444444">step</text>')
    x = float(_LEFT)
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn = " ".join(map(place, _thinned(values)))
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(values) <= 20:
            dots = (place(point).split(",") for point in values)
            parts += [f'<circle cx="{cx}" cy="{cy}" r="3" fill="{colour}"/>' for cx, cy in dots]
        parts.append(f'<path d="M{x:.0f} 16h18" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 24:.0f}" y="20" fill="#222222">{escape(name)}</text>')
        x += 40 + 7 * len(name)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _thinned(values: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every so many-th point, and the last."""
    stride = math.ceil(len(values) / (_MOST_POINTS - 1))
    return [*values[:-1:stride], values[-1]]
