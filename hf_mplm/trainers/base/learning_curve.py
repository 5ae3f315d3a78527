"""A held-out curve as a power law with an offset, and what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


__all__ = ["LearningCurve", "fit_curve"]

FEWEST_POINTS = 5
# Exponents that are tried; published ones of language models are between 0.05 and 1.
_EXPONENTS = np.geomspace(0.05, 3.0, 60)
# Steps that training seems to have had before the first one, as shares of the last step.
_EARLIER = np.concatenate([[0.0], np.geomspace(0.003, 3.0, 25)])


@dataclass(frozen=True)
class LearningCurve:
    """loss(step) = floor + scale * (step + earlier) ** -exponent, a power law with an offset (Kaplan et al. 2020).

    Args:
        floor (`float`): what the loss comes down to, in nats.
        scale (`float`): 0 for a curve that does not fall.
        exponent (`float`): how fast it falls.
        earlier (`float`): the start is no random model: it is so many steps on its way already.
        error (`float`): root mean square of what the curve leaves of the points, in nats.
    """

    floor: float
    scale: float
    exponent: float
    earlier: float
    error: float

    def at(self, step: float) -> float:
        """The loss that is predicted for a step, in nats.

        Args:
            step (`float`): a positive number of steps.
        """
        return float(self.floor + self.scale * (step + self.earlier) ** -self.exponent)

    def gain(self, now: float, later: float) -> float:
        """By how much the loss falls between two steps, in nats.

        Args:
            now (`float`): the earlier step.
            later (`float`): the later one.
        """
        return self.at(now) - self.at(later)


def fit_curve(steps: Sequence[float], losses: Sequence[float]) -> LearningCurve | None:
    """Fit the curve by least squares; exponent and earlier steps by a grid, the rest in closed form.

    Among fits that explain the points as well as each other the one of the largest predicted fall is taken, so that a
    run is rather too long than too short.

    Args:
        steps (`Sequence[float]`): where the loss was measured, rising, from above 0.
        losses (`Sequence[float]`): in nats.

    Returns:
        [`LearningCurve`]: or `None` for fewer than 5 points, which four numbers would go through.
    """
    x, y = np.asarray(steps, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if len(x) < FEWEST_POINTS or not np.isfinite(y).all():
        return None
    shifted = x[None, None, :] + (_EARLIER * x[-1])[None, :, None]
    powers = shifted ** -_EXPONENTS[:, None, None]  # (exponents, earlier, points)
    centred = powers - powers.mean(-1, keepdims=True)
    spread = (centred**2).sum(-1)
    scales = np.divide((centred * (y - y.mean())).sum(-1), spread, out=np.zeros_like(spread), where=spread > 0)
    scales = np.maximum(scales, 0.0)
    floors = y.mean() - scales * powers.mean(-1)
    left = np.sqrt(((floors[..., None] + scales[..., None] * powers - y) ** 2).mean(-1))
    # A loss does not become negative.
    left[floors < 0] = np.inf
    if not np.isfinite(left).any():
        return None
    best = left.min()
    ends = floors + scales * (2 * x[-1] + _EARLIER * x[-1])[None, :] ** -_EXPONENTS[:, None]
    as_good = left <= best * 1.05 + 1e-9
    row, column = np.unravel_index(np.where(as_good, ends, np.inf).argmin(), left.shape)
    return LearningCurve(
        floor=float(floors[row, column]),
        scale=float(scales[row, column]),
        exponent=float(_EXPONENTS[row]),
        earlier=float(_EARLIER[column] * x[-1]),
        error=float(left[row, column]),
    )
