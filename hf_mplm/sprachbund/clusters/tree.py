"""Clusters of similar languages: agglomerative, cut at a number of clusters that is given or chosen by stability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from ..vectors.language_vectors import LanguageVectors
from .partitions import adjusted_rand_index


__all__ = [
    "Linkage",
    "Selection",
    "Tree",
    "adjusted_rand_index",
    "bootstrap_labels",
    "build_tree",
    "select_num_clusters",
]

Linkage = Literal["average", "complete", "single", "ward"]

MOST_CLUSTERS = 16
"""The largest number of clusters that `auto` looks at."""


@dataclass(frozen=True)
class Tree:
    """A tree of languages, in scipy's notation.

    Args:
        merges (`np.ndarray`): the two parts that are joined, leaves first; their distance; the leaves below. Shape:
            (languages - 1, 4).
    """

    merges: np.ndarray

    def cut(self, num_clusters: int) -> np.ndarray:
        """The clusters after all but the last merges: the largest first, equal ones by their first language.

        Args:
            num_clusters (`int`): how many.

        Returns:
            `np.ndarray`: the cluster of each language, from 0. Shape: (languages,).
        """
        count = len(self.merges) + 1
        parent = np.arange(count + len(self.merges))
        for number, (one, two) in enumerate(self.merges[: count - num_clusters, :2].astype(int)):
            parent[one] = parent[two] = count + number
        # A part is made of earlier ones, so that one pass from the top finds every root.
        for node in range(len(parent) - 1, -1, -1):
            parent[node] = parent[parent[node]]
        return ordered(parent[:count])

    def leaves(self) -> list[int]:
        """The languages from top to bottom, such that no branches cross."""
        count = len(self.merges) + 1
        order, waiting = [], [2 * count - 2]
        while waiting:
            node = waiting.pop()
            if node < count:
                order.append(node)
            else:
                one, two = self.merges[node - count, :2].astype(int)
                waiting += [two, one]
        return order


@dataclass(frozen=True)
class Selection:
    """What a number of clusters gives.

    Args:
        num_clusters (`int`): how many.
        stability (`float`): mean adjusted Rand index over all pairs of bootstraps; NaN where there are none.
        largest_share (`float`): share of the languages that the largest cluster has.
        smallest (`int`): languages of the smallest cluster.
        allowed (`bool`): whether the sizes keep within the bounds.
    """

    num_clusters: int
    stability: float
    largest_share: float
    smallest: int
    allowed: bool


def ordered(labels: np.ndarray) -> np.ndarray:
    """Number clusters by falling size, equal ones by their first member."""
    names, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    result: np.ndarray = rank[np.searchsorted(names, labels)]
    return result


def build_tree(vectors: LanguageVectors, view: str | None, center: bool, linkage: Linkage) -> Tree:
    """Join languages bottom up.

    Args:
        vectors (`LanguageVectors`): the languages.
        view (`str`, *optional*): which; may be left out where there is only one.
        center (`bool`): whether the centre is taken off first.
        linkage (`"average"`, `"complete"`, `"single"` or `"ward"`): what is small between parts that are joined: the
            mean, the largest or the smallest distance, 1 - cosine and at least 0; or, for `ward`, the growth of the
            squared distances of unit vectors from their means.

    Raises:
        ValueError: if there is no such linkage, or there are fewer than two languages.
    """
    from sklearn.cluster import AgglomerativeClustering

    if linkage not in ("average", "complete", "single", "ward"):
        raise ValueError(f"there is no linkage {linkage!r}; needed is average, complete, single or ward")
    count = len(vectors.languages)
    if count < 2:
        raise ValueError(f"there is one language, {vectors.languages[0]}: needed are several, to be clustered")
    settings = {"n_clusters": None, "distance_threshold": 0.0, "linkage": linkage}
    if linkage == "ward":
        matrix = vectors.matrix(view, center)
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        model = AgglomerativeClustering(**settings).fit(matrix / np.where(norms > 0, norms, 1))
    else:
        distances = np.maximum(1 - vectors.cosine(view, center), 0)
        model = AgglomerativeClustering(metric="precomputed", **settings).fit(distances)
    below = np.ones(2 * count - 1)
    for number, (one, two) in enumerate(model.children_):
        below[count + number] = below[one] + below[two]
    return Tree(np.column_stack([model.children_, model.distances_, below[count:]]))


def bootstrap_labels(
    vectors: LanguageVectors,
    view: str | None,
    center: bool,
    linkage: Linkage,
    numbers: Sequence[int],
    *,
    num_bootstraps: int = 20,
    seed: int = 42,
) -> tuple[list[str], dict[int, np.ndarray]]:
    """Cluster bootstraps of the vectors.

    Args:
        vectors (`LanguageVectors`): the languages, of which those take no part whose standard error is unknown.
        view (`str`, *optional*): as for [`build_tree`].
        center (`bool`): as for [`build_tree`].
        linkage (`str`): as for [`build_tree`].
        numbers (`Sequence[int]`): numbers of clusters.
        num_bootstraps (`int`, *optional*, defaults to 20): how many.
        seed (`int`, *optional*, defaults to 42): of the first; the others follow.

    Returns:
        `tuple[list[str], dict[int, np.ndarray]]`: the languages that take part, and for every number of clusters that
        they suffice for the labels of each bootstrap. Shape: (bootstraps, languages).
    """
    known = ~np.isnan(vectors.standard_errors(view, relative=False))
    codes = [code for code, is_known in zip(vectors.languages, known) if is_known]
    labels: dict[int, list[np.ndarray]] = {number: [] for number in numbers if number <= len(codes)}
    if len(codes) < 2 or not labels:
        return codes, {}
    chosen = vectors.select(codes, None if view is None else [view])
    for number in range(num_bootstraps):
        tree = build_tree(chosen.bootstrap(seed + number), view, center, linkage)
        for clusters, own in labels.items():
            own.append(tree.cut(clusters))
    return codes, {clusters: np.array(own) for clusters, own in labels.items()}


def select_num_clusters(
    tree: Tree, labels: dict[int, np.ndarray], *, max_share: float = 0.6, min_size: int = 2
) -> list[Selection]:
    """Say of every number of clusters how stable it is and whether its sizes keep within bounds.

    Args:
        tree (`Tree`): of all languages.
        labels (`dict[int, np.ndarray]`): what [`bootstrap_labels`] gave.
        max_share (`float`, *optional*, defaults to 0.6): most of the languages that a cluster may have, as a share.
        min_size (`int`, *optional*, defaults to 2): fewest languages of a cluster.

    Returns:
        `list[Selection]`: one a number of clusters, rising.
    """
    found = []
    for number, own in sorted(labels.items()):
        sizes = np.bincount(tree.cut(number))
        pairs = [adjusted_rand_index(one, two) for one, two in combinations(own, 2)]
        share, smallest = float(sizes.max() / sizes.sum()), int(sizes.min())
        allowed = share <= max_share and smallest >= min_size
        found.append(Selection(number, float(np.mean(pairs)) if pairs else np.nan, share, smallest, allowed))
    return found
