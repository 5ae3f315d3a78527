"""How often the most similar language agrees with a language in something: its family, its script, its word order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


__all__ = ["Agreement", "majority_share", "nearest_agreement", "nearest_neighbours"]

# Standard deviations within which 95 % of a normal distribution lie.
_NORMAL = 1.959963984540054


@dataclass(frozen=True)
class Agreement:
    """The outcome of a comparison of languages with their nearest ones.

    Args:
        value (`float`): share of the languages whose nearest candidate has the same label; NaN where there is none.
        chance (`float`): the share to be expected were the nearest drawn from a language's candidates.
        used (`np.ndarray`): which languages the shares are over. Shape: (languages,), bool.
    """

    value: float
    chance: float
    used: np.ndarray

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share over languages; NaN where there is none.

        Related languages are no independent draws, so that it is too narrow if anything.
        """
        count, square = int(self.used.sum()), _NORMAL**2
        if not count:
            return float("nan"), float("nan")
        centre = (self.value + square / (2 * count)) / (1 + square / count)
        spread = self.value * (1 - self.value) / count + square / (4 * count**2)
        reach = _NORMAL * spread**0.5 / (1 + square / count)
        return max(0.0, centre - reach), min(1.0, centre + reach)


def nearest_neighbours(similarities: np.ndarray, candidates: np.ndarray | None = None) -> np.ndarray:
    """The most similar other language of each.

    Args:
        similarities (`np.ndarray`): the higher, the more alike; NaN is no candidate.
        candidates (`np.ndarray`, *optional*): which languages (columns) may be the nearest of which (rows); all others
            by default. A language is never its own.

    Shapes:
        similarities and candidates: (languages, languages); returns (languages,), int: rows, the first among equals,
        and -1 where there is no candidate.
    """
    allowed = ~np.isnan(similarities)
    if candidates is not None:
        allowed &= candidates
    np.fill_diagonal(allowed, False)
    nearest = np.where(allowed, similarities, -np.inf).argmax(axis=1)
    return np.where(allowed.any(axis=1), nearest, -1)


def nearest_agreement(
    similarities: np.ndarray, labels: Sequence[str | None], candidates: np.ndarray | None = None
) -> Agreement:
    """Hold the labels of languages against those of their nearest ones.

    Args:
        similarities (`np.ndarray`): the higher, the more alike.
        labels (`Sequence[str]`): a label a language; one whose label is `None` is left out, as a neighbour too.
        candidates (`np.ndarray`, *optional*): which languages (columns) may be the nearest of which (rows), such as
            those in another script; all others by default.

    Shapes:
        similarities and candidates: (languages, languages).

    Returns:
        [`Agreement`]: over the languages that have a label and at least one candidate that has one.
    """
    known = np.array([label is not None for label in labels], dtype=bool)
    allowed = np.broadcast_to(known, similarities.shape) & ~np.isnan(similarities)
    if candidates is not None:
        allowed = allowed & candidates
    allowed = allowed.copy()
    np.fill_diagonal(allowed, False)
    used = known & allowed.any(axis=1)
    if not used.any():
        return Agreement(float("nan"), float("nan"), used)
    same = same_label(labels)
    nearest = nearest_neighbours(similarities, allowed)
    value = same[np.flatnonzero(used), nearest[used]].mean()
    chance = ((same & allowed).sum(axis=1)[used] / allowed.sum(axis=1)[used]).mean()
    return Agreement(float(value), float(chance), used)


def same_label(labels: Sequence[str | None]) -> np.ndarray:
    """Which pairs of languages have the same label; `None` is like no other. Shape: (languages, languages), bool."""
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    coded = np.array([numbers[label] if label is not None else -1 for label in labels])
    return (coded[:, None] == coded) & (coded >= 0)


def majority_share(labels: Sequence[str | None]) -> float:
    """The share of the most frequent label among the languages that have one; NaN where none has."""
    known = [label for label in labels if label is not None]
    return max(known.count(label) for label in set(known)) / len(known) if known else float("nan")
