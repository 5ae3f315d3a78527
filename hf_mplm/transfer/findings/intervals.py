"""Bootstrap intervals of means over languages and repeats.

n - 1 of n are drawn, with replacement: the variance of the drawn means is then that of the mean, where drawing n gives
(n - 1) / n of it, which for three repeats is a third too little (Rao and Wu, 1988).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


__all__ = ["CANNOT_BE_TOLD", "crossed_means", "interval", "nested_means", "verdict"]

CANNOT_BE_TOLD = "cannot be told"
_CONFIDENCE = 0.95


def crossed_means(matrix: np.ndarray, rng: np.random.Generator, samples: int) -> np.ndarray:
    """Resample rows and columns of a matrix independently, and take the mean over rows of their means.

    Args:
        matrix (`np.ndarray`): NaN where there is no number; every row has one. Shape: (rows, columns).
        rng (`np.random.Generator`): what draws.
        samples (`int`): how often.

    Returns:
        `np.ndarray`: Shape: (samples,); NaN where no number was drawn.
    """
    rows, columns = matrix.shape
    present = np.isfinite(matrix).astype(np.float64)
    weights = rng.multinomial(_draws(columns), np.full(columns, 1 / columns), samples).astype(np.float64)
    means = _ratio(weights @ np.where(present > 0, matrix, 0.0).T, weights @ present.T)
    drawn = rng.multinomial(_draws(rows), np.full(rows, 1 / rows), samples) * np.isfinite(means)
    return _ratio((drawn * np.nan_to_num(means)).sum(axis=1), drawn.sum(axis=1))


def nested_means(groups: Sequence[Sequence[float] | np.ndarray], rng: np.random.Generator, samples: int) -> np.ndarray:
    """Resample groups, and within each its own numbers, and take the mean over groups of their means.

    Args:
        groups (`Sequence[Sequence[float] | np.ndarray]`): none of which is empty.
        rng (`np.random.Generator`): what draws.
        samples (`int`): how often.

    Returns:
        `np.ndarray`: Shape: (samples,).
    """
    means = np.empty((samples, len(groups)))
    for column, values in enumerate(groups):
        array = np.asarray(values, dtype=np.float64)
        means[:, column] = array[rng.integers(0, len(array), (samples, _draws(len(array))))].mean(axis=1)
    draws = _draws(len(groups))
    weights = rng.multinomial(draws, np.full(len(groups), 1 / len(groups)), samples)
    return np.asarray((means * weights).sum(axis=1) / draws)


def interval(means: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of resampled means."""
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.nanquantile(means, [tail, 1 - tail])
    return float(low), float(high)


def verdict(low: float | None, high: float | None) -> str:
    """`helps` or `hurts`; `cannot be told` where the interval holds 0 or there is none."""
    if low is None or high is None or low <= 0 <= high:
        return CANNOT_BE_TOLD
    return "helps" if low > 0 else "hurts"


def _draws(number: int) -> int:
    return max(1, number - 1)


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=np.asarray(counts) > 0)
