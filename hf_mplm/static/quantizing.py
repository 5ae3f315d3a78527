"""Word vectors of a byte a number, and what that costs in retrieval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


__all__ = ["RetrievalCost", "quantize", "retrieval_cost"]

# Rows of a block such that it holds this many cosines.
_BLOCK = 16_000_000
QUERIES = 1000


class RetrievalCost(NamedTuple):
    """What is found by other vectors instead of the first ones.

    Args:
        queries (`int`): words that were looked for.
        nearest (`float`): share of them whose nearest word stays the same.
        of_ten (`float`): share of the ten nearest words that stay among the ten nearest.
    """

    queries: int
    nearest: float
    of_ten: float


def quantize(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round each vector to 255 steps of its own, so that a long one costs the others nothing.

    Args:
        vectors (`np.ndarray`): Shape: (words, dimensions), float32.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: whole numbers from -127 to 127, and the scale by which a row of them is
        multiplied to give the vector back within half a scale a number. Shapes: (words, dimensions), int8, and
        (words,), float32.
    """
    scales = (np.abs(vectors).max(axis=1) / 127).astype(np.float32)
    divisors = np.where(scales == 0, 1, scales)[:, None]
    return np.clip(np.rint(vectors / divisors), -127, 127).astype(np.int8), scales


def retrieval_cost(
    source: np.ndarray, target: np.ndarray, other_source: np.ndarray, other_target: np.ndarray, *, same: bool
) -> RetrievalCost:
    """Compare the nearest words, by cosine, of up to 1,000 words spread evenly over a vocabulary.

    Args:
        source (`np.ndarray`): vectors of the words that are looked for. Shape: (n, dimensions).
        target (`np.ndarray`): vectors of the words to choose from. Shape: (m, dimensions).
        other_source (`np.ndarray`): the same words by other vectors. Shape: (n, dimensions).
        other_target (`np.ndarray`): the same words by other vectors. Shape: (m, dimensions).
        same (`bool`): whether both sides are one vocabulary, in which a word is not its own neighbour.
    """
    rows = np.unique(np.linspace(0, len(source) - 1, min(QUERIES, len(source))).astype(np.int64))
    k = min(10, len(target) - same)
    before = _nearest(source, target, rows, k, same)
    after = _nearest(other_source, other_target, rows, k, same)
    kept = sum(len(set(one) & set(two)) for one, two in zip(before.tolist(), after.tolist()))
    return RetrievalCost(len(rows), float((before[:, 0] == after[:, 0]).mean()), kept / before.size)


def _nearest(source: np.ndarray, target: np.ndarray, rows: np.ndarray, k: int, same: bool) -> np.ndarray:
    unit = target / np.maximum(np.linalg.norm(target, axis=1, keepdims=True), 1e-12)
    found = []
    step = max(1, _BLOCK // len(target))
    for start in range(0, len(rows), step):
        chosen = rows[start : start + step]
        cosines = source[chosen] @ unit.T  # the length of a query does not change its order
        if same:
            cosines[np.arange(len(chosen)), chosen] = -np.inf
        found.append(np.argsort(-cosines, axis=1, kind="stable")[:, :k])
    return np.concatenate(found)
