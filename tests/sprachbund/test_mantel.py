from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from hf_mplm.sprachbund.linguistics.mantel import mantel_tests


def symmetric(generator: np.random.Generator, count: int) -> np.ndarray:
    points = generator.normal(size=(count, 3))
    return -np.linalg.norm(points[:, None] - points, axis=-1)


def pairs(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), 1)]


def partial_by_regression(first: np.ndarray, second: np.ndarray, given: list[np.ndarray]) -> float:
    """Pearson's correlation of what a linear regression on the given ranks leaves of two ranks."""
    one, two = rankdata(first), rankdata(second)
    design = np.column_stack([np.ones(len(one)), *(rankdata(other) for other in given)])
    rests = [ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0] for ranks in (one, two)]
    return float(np.corrcoef(*rests)[0, 1])


def test_the_correlations_are_scipy_s_and_the_regression_s() -> None:
    generator = np.random.default_rng(0)
    one, two, three, other = (symmetric(generator, 12) for _ in range(4))
    mixed = one + 0.5 * two + 0.5 * three
    plain, partial = mantel_tests([mixed, other], one, [two, three], permutations=9)
    for matrix, whole, rest in zip([mixed, other], plain, partial):
        assert whole.correlation == pytest.approx(spearmanr(pairs(matrix), pairs(one)).statistic, abs=1e-9)
        expected = partial_by_regression(pairs(matrix), pairs(one), [pairs(two), pairs(three)])
        assert rest.correlation == pytest.approx(expected, abs=1e-9)
        assert whole.pairs == rest.pairs == 66
    alone, none = mantel_tests([mixed], one, permutations=9)
    assert alone[0] == plain[0] and none == []


def test_p_is_that_of_all_permutations() -> None:
    generator = np.random.default_rng(1)
    one, two, three = (symmetric(generator, 5) for _ in range(3))
    one = one + 0.5 * two
    plain, partial = mantel_tests([one], two, [three], permutations=5000)
    every = [np.array(order) for order in itertools.permutations(range(5))]
    rho = [spearmanr(pairs(one), pairs(two[np.ix_(order, order)])).statistic for order in every]
    rest = [
        partial_by_regression(pairs(one), pairs(two[np.ix_(order, order)]), [pairs(three[np.ix_(order, order)])])
        for order in every
    ]
    assert plain[0].p == pytest.approx(np.mean(np.array(rho) >= rho[0] - 1e-9), abs=0.03)
    assert partial[0].p == pytest.approx(np.mean(np.array(rest) >= rest[0] - 1e-9), abs=0.03)


def test_three_languages_by_hand() -> None:
    # Pairs (0,1), (0,2), (1,2): ranks 1 2 3 against 1 3 2, whose Spearman correlation is 0.5.
    first = np.array([[1, 0.1, 0.2], [0.1, 1, 0.3], [0.2, 0.3, 1]])
    second = np.array([[1, 0.1, 0.3], [0.1, 1, 0.2], [0.3, 0.2, 1]])
    (test,), _ = mantel_tests([first], second, permutations=2000)
    assert test.correlation == pytest.approx(0.5) and test.pairs == 3
    # Of the six orders of three pairs' ranks, three correlate 0.5 or more.
    assert test.p == pytest.approx(0.5, abs=0.05)


def test_unknown_pairs_are_left_out() -> None:
    generator = np.random.default_rng(2)
    one, two, three = (symmetric(generator, 14) for _ in range(3))
    one = one + two
    gaps = two.copy()
    for row, column in [(0, 1), (3, 9), (5, 6), (2, 13), (7, 8)]:
        gaps[row, column] = gaps[column, row] = np.nan
    known = ~np.isnan(pairs(gaps))
    (test,), (rest,) = mantel_tests([one], gaps, [three], permutations=99)
    assert test.pairs == 91 - 5
    assert test.correlation == pytest.approx(spearmanr(pairs(one)[known], pairs(gaps)[known]).statistic)
    expected = partial_by_regression(pairs(one)[known], pairs(gaps)[known], [pairs(three)[known]])
    assert rest.correlation == pytest.approx(expected)
    assert test.p <= 0.05


@pytest.mark.parametrize("gaps", [False, True])
def test_p_is_uniform_on_unrelated_matrices(gaps: bool) -> None:
    generator = np.random.default_rng(3)
    plain, partial = [], []
    for seed in range(150):
        one, two, three = (symmetric(generator, 15) for _ in range(3))
        if gaps:
            two[generator.random(two.shape) < 0.1] = np.nan
            two = np.where(np.isnan(two), two.T, two)
            np.fill_diagonal(two, 0)
            two[np.isnan(two.T)] = np.nan
        # Both go with a third one, which the partial test takes off.
        whole, rest = mantel_tests([one], two, [three], permutations=59, seed=seed)
        plain.append(whole[0].p)
        partial.append(rest[0].p)
    for found in (plain, partial):
        # The mean of 150 uniform values is 0.5 with a standard deviation of 0.024.
        assert np.mean(found) == pytest.approx(0.5, abs=0.08)
        assert 0.02 < np.mean(np.array(found) <= 0.1) < 0.2


def test_what_is_given_explains_a_correlation_away() -> None:
    generator = np.random.default_rng(4)
    shared, one, two = (symmetric(generator, 40) for _ in range(3))
    (whole,), (rest,) = mantel_tests([3 * shared + one], 3 * shared + two, [shared], permutations=199)
    assert whole.correlation > 0.5 and whole.p == 1 / 200
    assert abs(rest.correlation) < 0.2 and rest.p > 0.05


def test_a_constant_similarity_goes_with_nothing() -> None:
    generator = np.random.default_rng(5)
    one, two = (symmetric(generator, 10) for _ in range(2))
    (whole,), (rest,) = mantel_tests([np.ones((10, 10))], one, [two], permutations=9)
    assert math.isnan(whole.correlation) and math.isnan(rest.correlation)
    # A constant that is given takes nothing off.
    (whole,), (rest,) = mantel_tests([one], two, [np.ones((10, 10))], permutations=9)
    assert rest.correlation == pytest.approx(whole.correlation)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(6)
    one, two, three = (symmetric(generator, 23) for _ in range(3))
    expected = mantel_tests([one], two, [three], permutations=50)
    monkeypatch.setattr("hf_mplm.sprachbund.linguistics.mantel._ROWS", 4)
    assert mantel_tests([one], two, [three], permutations=50) == expected


def test_bad_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match="at least three languages"):
        mantel_tests([np.eye(2)], np.eye(2))
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        mantel_tests([np.eye(4)], np.eye(3))
