from __future__ import annotations

from collections.abc import Sequence

import numpy as np


__all__ = ["accuracy", "macro_f1"]


def accuracy(gold: Sequence[int], predicted: Sequence[int]) -> float:
    """Share of the items that are right.

    Args:
        gold (`Sequence[int]`): What is right, at least one item.
        predicted (`Sequence[int]`): What was predicted.

    Returns:
        `float`: Between 0 and 1.
    """
    return float((np.asarray(gold) == np.asarray(predicted)).mean())


def macro_f1(gold: Sequence[int], predicted: Sequence[int]) -> float:
    """Mean of the F1 of each class that occurs in what is right or in what was predicted.

    These are scikit-learn's classes, and so those of the papers: a class that occurs in neither is not in the mean.

    Args:
        gold (`Sequence[int]`): What is right, at least one item.
        predicted (`Sequence[int]`): What was predicted.

    Returns:
        `float`: Between 0 and 1.
    """
    truth, guess = np.asarray(gold), np.asarray(predicted)
    scores = []
    for label in np.union1d(truth, guess):
        # F1 = 2 TP / (gold + predicted); never 0 / 0, because the label occurs on one of the sides.
        hits = np.count_nonzero((truth == label) & (guess == label))
        scores.append(2 * hits / (np.count_nonzero(truth == label) + np.count_nonzero(guess == label)))
    return float(np.mean(scores))
