from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from hf_mplm.sprachbund.clusters.partitions import adjusted_rand_index, compare_partitions, purity


def test_ari_equals_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    for groups, names, size in [(1, 1, 5), (2, 3, 7), (5, 5, 200), (30, 3, 100), (1, 4, 9)]:
        first, second = generator.integers(0, groups, size), generator.integers(0, names, size)
        assert adjusted_rand_index(first, second) == pytest.approx(adjusted_rand_score(first, second), abs=1e-12)
    assert adjusted_rand_index("aabb", "xxyy") == 1 and adjusted_rand_index("abcd", "wxyz") == 1
    assert adjusted_rand_index(["a", "a", "a"], ["x", "x", "x"]) == 1


def test_purity_by_hand() -> None:
    # Cluster 1 is three quarters x, cluster 2 wholly y.
    assert purity([1, 1, 1, 1, 2, 2], ["x", "x", "x", "y", "y", "y"]) == pytest.approx(5 / 6)
    assert purity([1, 2], ["x", "x"]) == 1 and purity([1, 1], ["x", "y"]) == 0.5


def test_p_values_are_the_exact_ones_within_their_error() -> None:
    clusters, labels = [0, 0, 0, 1, 1, 2], ["x", "x", "y", "y", "y", "z"]
    found = compare_partitions(clusters, labels, permutations=4000)
    every = list(itertools.permutations(labels))
    exact = np.mean([adjusted_rand_score(clusters, one) >= found.ari - 1e-9 for one in every])
    assert found.ari_p == pytest.approx(exact, abs=0.03)
    pure = [purity(clusters, one) for one in every]
    assert found.purity_p == pytest.approx(np.mean(np.array(pure) >= found.purity - 1e-9), abs=0.03)
    assert found.purity_chance == pytest.approx(np.mean(pure), abs=0.02)


def test_p_is_uniform_on_unrelated_partitions_and_small_on_related_ones() -> None:
    generator = np.random.default_rng(0)
    found = []
    for seed in range(200):
        labels = generator.integers(0, 4, 80)
        found.append(compare_partitions(generator.integers(0, 4, 80), labels, permutations=99, seed=seed).ari_p)
    # The mean of 200 uniform values is 0.5 with a standard deviation of 0.02.
    assert np.mean(found) == pytest.approx(0.5, abs=0.07) and 0.01 < np.mean(np.array(found) <= 0.1) < 0.19
    labels = generator.integers(0, 4, 80)
    clusters = np.where(generator.random(80) < 0.5, labels, generator.integers(0, 4, 80))
    related = compare_partitions(clusters, labels, permutations=199)
    assert related.ari_p == related.purity_p == 1 / 200 and related.purity > related.purity_chance


def test_what_cannot_be_compared() -> None:
    for first, second in [([], []), ([1], [1, 2])]:
        with pytest.raises(ValueError, match="the same elements"):
            adjusted_rand_index(first, second)
