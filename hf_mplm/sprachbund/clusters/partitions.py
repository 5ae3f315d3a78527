"""How far two divisions of the same languages agree, and whether random labels would agree as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


__all__ = ["PartitionAgreement", "adjusted_rand_index", "compare_partitions", "purity"]

# Permuted label vectors that are counted at once.
_AT_ONCE = 256


@dataclass(frozen=True)
class PartitionAgreement:
    """Agreement of clusters with labels.

    Args:
        ari (`float`): adjusted Rand index (Hubert and Arabie, 1985).
        ari_p (`float`): its p-value, (b + 1) / (n + 1) over n permutations of the labels.
        purity (`float`): share of the languages that have the most frequent label of their cluster.
        purity_chance (`float`): its mean over the permutations. That of the index is 0.
        purity_p (`float`): its p-value.
    """

    ari: float
    ari_p: float
    purity: float
    purity_chance: float
    purity_p: float


def adjusted_rand_index(first: Sequence[object], second: Sequence[object]) -> float:
    """The adjusted Rand index of two partitions: 1 where they are the same, 0 in the mean over random ones.

    Args:
        first (`Sequence`): the group of each element.
        second (`Sequence`): its other group.

    Raises:
        ValueError: if they are not of one length.
    """
    table = _tables(*_coded(first, second))
    return float(_adjusted_rand(table)[0])


def purity(clusters: Sequence[object], labels: Sequence[object]) -> float:
    """The share of elements that have the most frequent label of their cluster.

    Args:
        clusters (`Sequence`): the cluster of each element.
        labels (`Sequence`): its label.

    Raises:
        ValueError: if they are not of one length.
    """
    return float(_purity(_tables(*_coded(clusters, labels)))[0])


def compare_partitions(
    clusters: Sequence[object], labels: Sequence[object], permutations: int = 1000, seed: int = 0
) -> PartitionAgreement:
    """Compare clusters with labels, and with the same labels given to languages at random.

    Args:
        clusters (`Sequence`): the cluster of each language.
        labels (`Sequence`): its label.
        permutations (`int`, *optional*, defaults to 1,000): of the labels.
        seed (`int`, *optional*, defaults to 0): of the permutations.

    Raises:
        ValueError: if they are not of one length, or empty.
    """
    groups, names = _coded(clusters, labels)
    found = _tables(groups, names)
    ari, pure = float(_adjusted_rand(found)[0]), float(_purity(found)[0])
    generator = np.random.default_rng(seed)
    aris, purities = [], []
    for start in range(0, permutations, _AT_ONCE):
        drawn = np.tile(names[0], (min(_AT_ONCE, permutations - start), 1))
        tables = _tables(groups, generator.permuted(drawn, axis=1))
        aris.append(_adjusted_rand(tables))
        purities.append(_purity(tables))
    return PartitionAgreement(
        ari,
        p_value(ari, np.concatenate(aris)),
        pure,
        float(np.concatenate(purities).mean()),
        p_value(pure, np.concatenate(purities)),
    )


def p_value(found: float, drawn: np.ndarray) -> float:
    """(b + 1) / (n + 1): b of n random values are at least as high (Phipson and Smyth, 2010).

    Args:
        found (`float`): the statistic of the data.
        drawn (`np.ndarray`): that of the permutations. Shape: (permutations,).
    """
    # A permutation that changes nothing must count, whatever the order of its sums.
    return float((np.sum(drawn >= found - 1e-9) + 1) / (len(drawn) + 1))


def _coded(first: Sequence[object], second: Sequence[object]) -> tuple[np.ndarray, np.ndarray]:
    """The groups as numbers. Shapes: (elements,); (1, elements)."""
    if len(first) != len(second) or not len(first):
        raise ValueError(f"two partitions of the same elements are needed; given are {len(first)} and {len(second)}")
    numbers = [{value: number for number, value in enumerate(dict.fromkeys(values))} for values in (first, second)]
    coded = [np.array([number[value] for value in values]) for number, values in zip(numbers, (first, second))]
    return coded[0], coded[1][None]


def _tables(groups: np.ndarray, names: np.ndarray) -> np.ndarray:
    """How often groups and names meet. Shapes: (elements,), (draws, elements); returns (draws, groups, names)."""
    n_groups, n_names = groups.max() + 1, names.max() + 1
    cells = groups * n_names + names + np.arange(len(names))[:, None] * (n_groups * n_names)
    counts = np.bincount(cells.ravel(), minlength=len(names) * n_groups * n_names)
    return counts.reshape(len(names), n_groups, n_names)


def _adjusted_rand(tables: np.ndarray) -> np.ndarray:
    def pairs(counts: np.ndarray) -> np.ndarray:
        return (counts * (counts - 1) / 2).reshape(len(counts), -1).sum(axis=1)

    both, first, second = pairs(tables), pairs(tables.sum(axis=2)), pairs(tables.sum(axis=1))
    size = tables[0].sum()
    everything = size * (size - 1) / 2
    expected = first * second / everything if everything else np.zeros_like(both)
    most = (first + second) / 2
    # Where both put all into one group, or each alone, they are the same.
    same = most == expected
    return np.where(same, 1.0, (both - expected) / np.where(same, 1.0, most - expected))


def _purity(tables: np.ndarray) -> np.ndarray:
    return tables.max(axis=2).sum(axis=1) / tables[0].sum()
