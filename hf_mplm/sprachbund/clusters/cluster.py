"""Languages that belong together: their clusters, pivots and stability, and the controls beside which they stand."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from hf_mplm._lists import as_list
from hf_mplm.languages import branch, family_name, parse_code

from ..vectors.language_vectors import LanguageVectors
from ..vectors.space import describe_space
from .sprachbunds import Sprachbunds
from .tree import (
    MOST_CLUSTERS,
    Linkage,
    Selection,
    Tree,
    bootstrap_labels,
    build_tree,
    ordered,
    select_num_clusters,
)


__all__ = ["By", "cluster_languages", "mean_cosines", "pivot_of"]

logger = logging.getLogger(__name__)

By = Literal["family", "branch", "script"]


def cluster_languages(
    vectors: LanguageVectors,
    *,
    view: str | None = None,
    center: bool = True,
    linkage: Linkage = "average",
    num_clusters: int | Literal["auto"] = "auto",
    max_share: float = 0.6,
    min_size: int = 2,
    num_bootstraps: int = 20,
    seed: int = 42,
    random: int | None = None,
    by: By | None = None,
    clusters: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Sprachbunds, Tree]:
    """Find the languages that belong together (Fan et al., 2021, section 3.1), or a control.

    Args:
        vectors (`LanguageVectors`): the languages.
        view (`str`, *optional*): which view; may be left out where there is only one.
        center (`bool`, *optional*, defaults to `True`): whether the centre is taken off, which the paper does not.
        linkage (`str`, *optional*, defaults to `"average"`): see [`build_tree`].
        num_clusters (`int` or `"auto"`, *optional*, defaults to `"auto"`): how many. `auto` takes the number from 2 to
            16 that is most stable under bootstraps, among those within the bounds; of equal ones the smallest.
        max_share (`float`, *optional*, defaults to 0.6): most of the languages that a cluster may have, as a share.
        min_size (`int`, *optional*, defaults to 2): fewest languages of a cluster.
        num_bootstraps (`int`, *optional*, defaults to 20): of `auto` and of each language's stability.
        seed (`int`, *optional*, defaults to 42): of the bootstraps.
        random (`int`, *optional*): seed by which languages are drawn into clusters of the same sizes, as a control.
        by (`"family"`, `"branch"` or `"script"`, *optional*): one cluster for each of these instead, as a control.
        clusters (`Mapping[str, Sequence[str]]`, *optional*): clusters that are given.

    Returns:
        `tuple[Sprachbunds, Tree]`: the clusters, and the tree of all languages.

    Raises:
        ValueError: if there are too few languages, no number is within the bounds or can be judged, or several
            controls are asked for at once.
    """
    if sum(control is not None for control in (random, by, clusters)) > 1:
        raise ValueError("give one control: random, by, or clusters from a file")
    codes = vectors.languages
    tree = build_tree(vectors, view, center, linkage)
    settings: dict[str, Any] = {
        "view": view or vectors.views[0],
        "center": center,
        "linkage": linkage,
        "num_clusters": num_clusters,
        "max_share": max_share,
        "min_size": min_size,
        "num_bootstraps": num_bootstraps,
        "seed": seed,
        "vectors": describe_space(vectors.config, [view or vectors.views[0]]),
    }
    if by is not None or clusters is not None:
        labels, left_out = _given_labels(codes, clusters if clusters is not None else _groups(codes, by))
        found = _describe(vectors, view, center, labels, by or "file", settings)
        found.left_out = left_out
        return found, tree
    numbers = _numbers(num_clusters, len(codes))
    drawn_codes, drawn = bootstrap_labels(
        vectors, view, center, linkage, numbers, num_bootstraps=num_bootstraps, seed=seed
    )
    selection = select_num_clusters(tree, drawn, max_share=max_share, min_size=min_size)
    number = _choose(selection, max_share, min_size) if num_clusters == "auto" else numbers[0]
    labels = tree.cut(number)
    _warn_of_sizes(np.bincount(labels), max_share, min_size)
    if random is None:
        found = _describe(vectors, view, center, labels, "cluster", settings)
        if number in drawn:
            found.stability = _stability(found, drawn_codes, drawn[number])
    else:
        labels = ordered(np.random.default_rng(random).permutation(labels))
        found = _describe(vectors, view, center, labels, "random", {**settings, "random": random})
    found.selection = selection
    return found, tree


def pivot_of(cosines: np.ndarray, group: np.ndarray) -> int:
    """The language of the largest sum of cosines with the others of its cluster (Fan et al., 2021, section 5.1).

    Args:
        cosines (`np.ndarray`): of all languages. Shape: (languages, languages).
        group (`np.ndarray`): the rows of the cluster, in the order of the codes, which decides between equals.

    Returns:
        `int`: its row.
    """
    sums = cosines[np.ix_(group, group)].sum(axis=1) - np.diag(cosines)[group]
    # Sums that differ by rounding alone are equal.
    best = np.flatnonzero(sums >= sums.max() - 1e-12)[0]
    return int(group[best])


def _describe(
    vectors: LanguageVectors, view: str | None, center: bool, labels: np.ndarray, arm: str, settings: dict[str, Any]
) -> Sprachbunds:
    """Clusters with pivots and mean cosines; a label of -1 is no cluster."""
    codes, cosines = vectors.languages, vectors.cosine(view, center)
    by_code = np.array(sorted(range(len(codes)), key=codes.__getitem__))
    groups = [by_code[labels[by_code] == number] for number in range(labels.max() + 1)]
    return Sprachbunds(
        [[codes[row] for row in group] for group in groups],
        [codes[pivot_of(cosines, group)] for group in groups],
        {codes[row]: mean_cosines(cosines[row], int(row), groups) for group in groups for row in group},
        arm=arm,
        settings=settings,
    )


def _stability(found: Sprachbunds, codes: Sequence[str], labels: np.ndarray) -> dict[str, float | None]:
    """The share of bootstraps in which a language is where its pivot is. Shapes: (bootstraps, languages)."""
    column = {code: labels[:, place] for place, code in enumerate(codes)}
    shares: dict[str, float | None] = {}
    for pivot, cluster in zip(found.pivots, found.clusters):
        for code in cluster:
            known = code in column and pivot in column
            shares[code] = float((column[code] == column[pivot]).mean()) if known else None
    return shares


def _numbers(num_clusters: int | str, count: int) -> list[int]:
    """The numbers of clusters to look at."""
    if num_clusters == "auto":
        return list(range(2, min(MOST_CLUSTERS, count - 1) + 1))
    if not 1 <= int(num_clusters) <= count:
        raise ValueError(f"{num_clusters} clusters cannot be made of {count} languages")
    return [int(num_clusters)]


def _choose(selection: Sequence[Selection], max_share: float, min_size: int) -> int:
    judged = [row for row in selection if not np.isnan(row.stability)]
    if not judged:
        raise ValueError(
            "the number of clusters cannot be chosen: no bootstrap can be drawn, because fewer than three languages "
            "have several sentences; give --num_clusters K"
        )
    allowed = [row for row in judged if row.allowed]
    if not allowed:
        shown = "; ".join(
            f"{row.num_clusters}: largest {row.largest_share:.0%}, smallest {row.smallest}" for row in judged[:5]
        )
        raise ValueError(
            f"no number of clusters keeps every cluster between {min_size} languages and {max_share:.0%} of them "
            f"({shown}); center the vectors, take another view or linkage, widen --max_share and --min_size, or give "
            "--num_clusters K"
        )
    # Equal but for rounding, the smaller number is taken.
    return max(allowed, key=lambda row: (round(row.stability, 9), -row.num_clusters)).num_clusters


def _warn_of_sizes(sizes: np.ndarray, max_share: float, min_size: int) -> None:
    if sizes.max() > max_share * sizes.sum() or sizes.min() < min_size:
        logger.warning(
            "%d clusters have %s languages: the largest has more than %.0f %% of them, or the smallest fewer than %d; "
            "vectors that are not centred break apart like this",
            len(sizes),
            ", ".join(map(str, sizes)),
            100 * max_share,
            min_size,
        )


def _groups(codes: Sequence[str], by: str | None) -> dict[str, list[str]]:
    name_of = {"family": family_name, "branch": branch, "script": lambda code: parse_code(code).script}
    if by not in name_of:
        raise ValueError(f"languages cannot be grouped by {by!r}; needed is one of {', '.join(name_of)}")
    groups: dict[str, list[str]] = {}
    for code in codes:
        groups.setdefault(name_of[by](code), []).append(code)
    return groups


def _given_labels(codes: Sequence[str], clusters: Mapping[str, Sequence[str]]) -> tuple[np.ndarray, list[str]]:
    """The cluster of each language, -1 for none; the languages without one."""
    number_of = {code: number for number, own in enumerate(clusters.values()) for code in as_list(own)}
    raw = np.array([number_of.get(code, -1) for code in codes])
    if (raw < 0).all():
        raise ValueError(f"none of the {len(number_of)} languages of the clusters has a vector")
    strangers = sorted(set(number_of) - set(codes))
    if strangers:
        logger.warning("%d languages of the clusters have no vector: %s", len(strangers), ", ".join(strangers[:10]))
    labels = np.full(len(codes), -1)
    labels[raw >= 0] = ordered(raw[raw >= 0])
    left_out = [code for code, label in zip(codes, labels) if label < 0]
    if left_out:
        logger.warning("%d languages are in none of the clusters: %s", len(left_out), ", ".join(left_out[:10]))
    return labels, left_out


def mean_cosines(cosines: np.ndarray, row: int, groups: Sequence[np.ndarray]) -> list[float | None]:
    """The mean cosine of a language with those of each cluster, itself left out; `None` where there is no other.

    Args:
        cosines (`np.ndarray`): of all languages. Shape: (languages, languages).
        row (`int`): the language.
        groups (`Sequence[np.ndarray]`): the rows of each cluster.
    """
    means: list[float | None] = []
    for group in groups:
        others = group[group != row]
        means.append(float(cosines[others].mean()) if len(others) else None)
    return means
