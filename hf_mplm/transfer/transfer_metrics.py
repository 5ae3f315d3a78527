"""Scores of the transfer study: how much one language's training gives to another, and takes from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


__all__ = ["interference_projection", "interference_signs", "transfer_scores"]


def transfer_scores(tuned: Sequence[Sequence[float]] | np.ndarray, base: Sequence[float] | np.ndarray) -> np.ndarray:
    """How much of its base score each target language gains or loses when the model was tuned on a transfer language.

    Source: Faisal and Anastasopoulos (2024), An Efficient Approach for Studying Cross-Lingual Transfer in
    Multilingual Language Models, section 2: ts = (mean over runs of the tuned score - base) / base. The mean over
    targets is their aggregated-transfer of the transfer language, the mean over transfer languages the
    aggregated-target (appendices H and I).

    Args:
        tuned (`Sequence[Sequence[float]]`): For each target its score in each run; numbers of runs may differ.
        base (`Sequence[float]`): For each target its score before tuning.

    Returns:
        `np.ndarray`: One score a target, 0.1 being a gain of a tenth of the base score. Shape: (targets,).

    Raises:
        ValueError: If there are no targets, the numbers of targets differ, a target has no runs, a score is not
            finite, or a base score is not positive.
    """
    if len(tuned) != len(base):
        raise ValueError(f"{len(tuned)} targets were tuned, but there are {len(base)} base scores")
    if not len(base):
        raise ValueError("there is no target language to score")
    scores = np.empty(len(base), dtype=np.float64)
    for number, (runs, before) in enumerate(zip(tuned, base)):
        values = np.asarray(runs, dtype=np.float64)
        if not values.size:
            raise ValueError(f"target {number} has no runs")
        if not np.isfinite(values).all() or not np.isfinite(before):
            raise ValueError(f"target {number} has scores that are not finite: {list(values)}, base {before}")
        if before <= 0:
            raise ValueError(
                f"target {number} has the base score {before}: a change is measured in parts of it, so leave the "
                "target out"
            )
        scores[number] = (values.mean() - before) / before
    return scores


def interference_signs(
    together: Sequence[Sequence[float]] | np.ndarray, alone: Sequence[Sequence[float]] | np.ndarray
) -> np.ndarray:
    """Whether each language of a combination does better in it than by itself.

    Source: Faisal and Anastasopoulos (2024), section 2. A language that neither gains nor loses counts as -1, as only
    a difference above 0 is positive interference there.

    Args:
        together (`Sequence[Sequence[float]]`): For each case the scores of its languages when they are combined.
            Shape: (cases, languages).
        alone (`Sequence[Sequence[float]]`): Their scores by themselves. Shape: (cases, languages).

    Returns:
        `np.ndarray`: 1 or -1. Shape: (cases, languages).

    Raises:
        ValueError: If the shapes differ or there are no cases.
    """
    pair, single = np.asarray(together, dtype=np.float64), np.asarray(alone, dtype=np.float64)
    if pair.ndim != 2 or pair.shape != single.shape or not pair.size:
        raise ValueError(
            f"scores of shapes {pair.shape} and {single.shape} cannot be compared: both need (cases, languages)"
        )
    return np.where(pair - single > 0, 1, -1)


def interference_projection(signs: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
    """Project a language onto a point by its interference with others: the mean of the signs of its cases.

    Source: Faisal and Anastasopoulos (2024), appendix F. A point at the lower right is a language that gains from
    company which does not gain from it. With three languages a case the point lies in space.

    Args:
        signs (`Sequence[Sequence[int]]`): For each case the sign of the language itself, then those of the others.
            Shape: (cases, languages).

    Returns:
        `np.ndarray`: Between -1 and 1. Shape: (languages,).

    Raises:
        ValueError: If there are no cases or a sign is neither 1 nor -1.
    """
    array = np.asarray(signs, dtype=np.float64)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"signs of shape {array.shape} cannot be projected: they need (cases, languages)")
    if not np.isin(array, (-1.0, 1.0)).all():
        raise ValueError("a sign is either 1 or -1")
    return np.asarray(array.mean(axis=0))
