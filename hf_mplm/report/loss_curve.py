"""The loss of a run by step, as a small SVG that needs no library and no font of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape


__all__ = ["loss_curve", "loss_series"]

# Okabe and Ito's colours, as in all pictures here.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_WIDTH, _HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 34, 44
_MOST_POINTS = 400
_TICKS = 5


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
    across = _ticks(min(x for x, _ in points), max(x for x, _ in points))
    up = _ticks(min(y for _, y in points), max(y for _, y in points))

    def place(point: tuple[float, float]) -> str:
        x, y = _along(point[0], across, _LEFT, _WIDTH - _RIGHT), _along(point[1], up, _HEIGHT - _BOTTOM, _TOP)
        return f"{x:.1f},{y:.1f}"

    title = "Loss by step: " + ", ".join(f"{name} {values[-1][1]:.3f} at the end" for name, values in series.items())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for tick in up:
        y = _along(tick, up, _HEIGHT - _BOTTOM, _TOP)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#444444">{tick:g}</text>')
    for tick in across:
        x = _along(tick, across, _LEFT, _WIDTH - _RIGHT)
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 24}" text-anchor="middle" fill="#444444">{tick:,g}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle" fill="#444444">step</text>')
    x = float(_LEFT)
    for number, (name, values) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        drawn = " ".join(map(place, _thinned(values)))
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(values) <= 20:
            dots = (place(point).split(",") for point in values)
            parts += [f'<circle cx="{cx}" cy="{cy}" r="3" fill="{colour}"/>' for cx, cy in dots]
        parts.append(f'<path d="M{x:.0f} 16h18" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 24:.0f}" y="20" fill="#222222">{escape(name)}</text>')
        x += 40 + 7 * len(name)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from below the lowest to above the highest."""
    span = high - low or abs(high) or 1.0
    raw = span / _TICKS
    unit = 10.0 ** math.floor(math.log10(raw))
    step = unit * next(times for times in (1, 2, 5, 10) if unit * times >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    if first == last:
        last += 1
    return [round(number * step, 10) for number in range(first, last + 1)]


def _along(value: float, ticks: Sequence[float], start: float, stop: float) -> float:
    return start + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (stop - start)


def _thinned(values: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every so many-th point, and the last."""
    stride = math.ceil(len(values) / (_MOST_POINTS - 1))
    return [*values[:-1:stride], values[-1]]
