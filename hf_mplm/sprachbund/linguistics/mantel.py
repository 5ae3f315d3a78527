"""Mantel tests: whether two similarities of the same languages go together, by permuting the languages of one.

Pairs of languages are not independent, so that a correlation over pairs has no p-value of its own (Mantel, 1967). The
partial test asks what is left when other similarities are taken off both (Smouse, Long and Sokal, 1986).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits


__all__ = ["MantelTest", "mantel_tests"]

# Rows of a matrix, and permutations, that are taken at a time: few enough that what is gathered stays in the cache,
# and enough that the matrix library has a product to work on.
_ROWS, _PERMUTATIONS = 16, 16
# Correlations are computed in single precision; what differs by less counts as equal.
_EQUAL = 1e-5
# What rounding leaves of nothing is shorter.
_NOTHING = 1e-9


@dataclass(frozen=True)
class MantelTest:
    """A correlation over pairs of languages and its p-value.

    Args:
        correlation (`float`): Spearman's, or its partial; NaN where one of the similarities is constant.
        p (`float`): (b + 1) / (n + 1), where b of n permutations of the languages correlate at least as much.
        pairs (`int`): pairs of languages that it rests on.
    """

    correlation: float
    p: float
    pairs: int


def mantel_tests(
    similarities: Sequence[np.ndarray],
    other: np.ndarray,
    given: Sequence[np.ndarray] = (),
    *,
    permutations: int = 999,
    seed: int = 0,
) -> tuple[list[MantelTest], list[MantelTest]]:
    """Test several similarities of the same languages against one, and against it given others.

    Spearman's correlation is Pearson's of ranks. Where a pair is unknown in `other`, correlations are over the known
    pairs, with the ranks among these; the permutations are then of the product with the centred ranks of `other`, to
    which unknown pairs add nothing.

    Args:
        similarities (`Sequence[np.ndarray]`): symmetric matrices without gaps.
        other (`np.ndarray`): what they are held against; NaN is unknown.
        given (`Sequence[np.ndarray]`, *optional*): what the partial correlations take off; without gaps.
        permutations (`int`, *optional*, defaults to 999): of the languages of `other` and `given`, which go together.
        seed (`int`, *optional*, defaults to 0): of the permutations, which are the same for all similarities.

    Shapes:
        every matrix: (languages, languages).

    Returns:
        `tuple[list[MantelTest], list[MantelTest]]`: without and with `given`, one a matrix of `similarities`. The
        second list is empty where nothing is given.

    Raises:
        ValueError: if there are fewer than three languages, or the matrices are not of one shape.
    """
    count = len(other)
    matrices = [*similarities, *given, other]
    if count < 3 or any(np.shape(matrix) != (count, count) for matrix in matrices):
        shapes = ", ".join(str(np.shape(matrix)) for matrix in matrices)
        raise ValueError(f"a Mantel test needs square matrices of at least three languages; given are {shapes}")
    upper = np.triu_indices(count, 1)
    known = ~np.isnan(other[upper])
    everywhere = np.ones_like(known)
    target = _Ranking(other[upper]).standard(known)
    # Given similarities as orthonormal directions: what is left of anything is what it has beside them.
    basis = _orthonormal([_Ranking(matrix[upper]).standard(known) for matrix in given], len(known))
    shared = basis @ target
    rest = target - basis.T @ shared
    length = np.linalg.norm(rest)
    left = _unit(rest)
    del rest

    fixed = np.zeros((len(similarities), count, count), dtype=np.float32)
    observed, partial, start = [], [], []
    for matrix, place in zip(similarities, fixed):
        ranking = _Ranking(matrix[upper])
        row = ranking.standard(known)
        observed.append(row @ target)
        partial.append(_partial(row @ left, basis @ row))
        # Permuted, every pair of the similarities may meet a known one, so that all of them have ranks here.
        row = row if known.all() else ranking.standard(everywhere)
        start.append([target @ row, *(basis @ row)])
        place[upper] = row
    # What was as long as all pairs goes before the permutations, and is not stacked: of thousands of languages one row
    # of pairs is as large as a model's layer.
    whole = [target, *basis]
    del left, target, basis
    full = np.zeros((count, count, len(whole)), dtype=np.float32)
    rows, columns = upper
    for number, pairs in enumerate(whole):
        full[rows, columns, number] = full[columns, rows, number] = pairs
    del whole, rows, columns, upper
    drawn = _permuted_products(fixed, full, permutations, seed)
    begun = np.array(start)
    tests = _tests(np.array(observed), begun[:, 0], drawn[:, :, 0], int(known.sum()))
    if not len(given):
        return tests, []

    def of_the_rest(products: np.ndarray) -> np.ndarray:
        # Sums with what is left are sums with the target less those with the directions, so that none are made for it.
        within = products[..., 1:]
        own = (products[..., 0] - within @ shared) / length if length > _NOTHING else np.zeros(products.shape[:-1])
        return _partial(own, within)

    return tests, _tests(np.array(partial), of_the_rest(begun), of_the_rest(drawn), int(known.sum()))


def _tests(correlations: np.ndarray, start: np.ndarray, drawn: np.ndarray, pairs: int) -> list[MantelTest]:
    found = []
    for number, value in enumerate(correlations):
        at_least = np.sum(drawn[:, number] >= start[number] - _EQUAL)
        p = float((at_least + 1) / (len(drawn) + 1))
        # A similarity that is the same for all pairs, or for all that others leave of it, goes with nothing.
        constant = value == 0 and not start[number]
        found.append(MantelTest(float("nan") if constant else float(value), p, pairs))
    return found


def _permuted_products(fixed: np.ndarray, full: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """Sums over pairs of the products of fixed matrices with permuted ones.

    Shapes:
        fixed: (views, n, n), zero but above the diagonal; full: (n, n, k), symmetric; returns (permutations, views,
        k).
    """
    views, count, _ = fixed.shape
    width = full.shape[-1]
    blocks = [(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS)]
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(count) for _ in range(permutations)]

    def products(some: list[np.ndarray]) -> np.ndarray:
        total = np.zeros((len(some), width, views))
        for start, stop in blocks:
            block = fixed[:, start:stop, start:]
            permuted = np.empty((len(some), stop - start, count - start, width), dtype=np.float32)
            for place, order in zip(permuted, some):
                full[order[start:stop]].take(order[start:], axis=1, out=place, mode="clip")
            flat = permuted.reshape(len(some), -1, width).transpose(0, 2, 1).reshape(len(some) * width, -1)
            total += (flat @ block.reshape(views, -1).T).reshape(total.shape)
        return total.transpose(0, 2, 1)

    # numpy lets go of the interpreter's lock, so that permutations go on side by side. The products are too narrow for
    # the matrix library's own threads, which would wait for one another most of the time.
    batches = [orders[start : start + _PERMUTATIONS] for start in range(0, permutations, _PERMUTATIONS)]
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return np.concatenate(list(pool.map(products, batches)))


class _Ranking:
    """Values in their order, from which the ranks of any of them follow without sorting again.

    Args:
        values (`np.ndarray`): Shape: (pairs,).
    """

    def __init__(self, values: np.ndarray) -> None:
        self._values = values
        self._order = np.argsort(values)

    def standard(self, known: np.ndarray) -> np.ndarray:
        """Ranks among the known values, the mean rank for equal ones, centred and of length 1; 0 for the others.

        Args:
            known (`np.ndarray`): which are known. Shape: (pairs,), bool.
        """
        ranks = np.zeros(len(self._values))
        order = self._order if known.all() else self._order[known[self._order]]
        if len(order):
            values = self._values[order]
            begins = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
            counts = np.diff(np.append(begins, len(order)))
            mean = begins + (counts + 1) / 2
            ranks[order] = np.repeat(mean - (len(order) + 1) / 2, counts)
        return _unit(ranks)


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length > _NOTHING else np.zeros_like(vector)


def _orthonormal(vectors: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Gram and Schmidt's directions; one that adds nothing to those before it is zero. Shape: (vectors, pairs)."""
    found: list[np.ndarray] = []
    for vector in vectors:
        for other in found:
            vector = vector - (vector @ other) * other
        found.append(_unit(vector))
    return np.array(found).reshape(len(found), size)


def _partial(left: np.ndarray, within: np.ndarray) -> np.ndarray:
    """The correlation of what is left of two similarities: the one is of length 1, the other lost `within`."""
    rest = 1 - (within**2).sum(axis=-1)
    return np.where(rest > 1e-9, left / np.sqrt(np.maximum(rest, 1e-9)), 0.0)
