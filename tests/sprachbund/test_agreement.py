from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.neighbors import KNeighborsClassifier

from hf_mplm.sprachbund.linguistics.agreement import (
    Agreement,
    majority_share,
    nearest_agreement,
    nearest_neighbours,
    same_label,
)


SIMILARITIES = np.array(
    [
        [1.0, 0.9, 0.2, 0.1],
        [0.9, 1.0, 0.3, 0.4],
        [0.2, 0.3, 1.0, 0.3],
        [0.1, 0.4, 0.3, 1.0],
    ]
)


def test_nearest_by_hand() -> None:
    # 2's nearest are 1 and 3, alike: the first counts.
    assert nearest_neighbours(SIMILARITIES).tolist() == [1, 0, 1, 1]
    not_one = np.ones((4, 4), dtype=bool)
    not_one[:, 1] = False
    assert nearest_neighbours(SIMILARITIES, not_one).tolist() == [2, 0, 3, 2]
    assert nearest_neighbours(SIMILARITIES, np.zeros((4, 4), dtype=bool)).tolist() == [-1] * 4


def test_shares_and_chance_by_hand() -> None:
    found = nearest_agreement(SIMILARITIES, ["a", "a", "b", "b"])
    # 0 and 1 agree with each other, 2 and 3 have 1. By chance one of three others agrees.
    assert found.value == 0.5 and found.chance == pytest.approx(1 / 3) and found.used.all()
    # Without a label a language neither asks nor answers: 2 and 3 now have each other.
    found = nearest_agreement(SIMILARITIES, ["a", None, "b", "b"])
    assert found.value == pytest.approx(2 / 3) and found.used.tolist() == [True, False, True, True]
    assert found.chance == pytest.approx((0 + 1 / 2 + 1 / 2) / 3)
    scripts = ["x", "x", "y", "y"]
    another = nearest_agreement(SIMILARITIES, ["a", "b", "a", "b"], ~same_label(scripts))
    assert another.value == pytest.approx(3 / 4) and another.chance == 0.5
    nothing = nearest_agreement(SIMILARITIES, ["a", "b", "a", "b"], np.zeros((4, 4), dtype=bool))
    assert math.isnan(nothing.value) and math.isnan(nothing.chance) and not nothing.used.any()


def test_the_interval_is_wilson_s() -> None:
    for hits, count in [(0, 5), (3, 7), (40, 41), (100, 100)]:
        found = Agreement(hits / count, 0.5, np.ones(count, dtype=bool))
        expected = binomtest(hits, count).proportion_ci(method="wilson")
        assert found.interval() == pytest.approx((expected.low, expected.high))
    assert all(map(math.isnan, Agreement(float("nan"), float("nan"), np.zeros(3, dtype=bool)).interval()))


def test_leave_one_out_equals_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(60, 4))
    labels = [str(label) for label in generator.integers(0, 3, 60)]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    right = []
    for row in range(60):
        others = np.arange(60) != row
        model = KNeighborsClassifier(1, metric="cosine").fit(vectors[others], np.array(labels)[others])
        right.append(model.predict(vectors[row : row + 1])[0] == labels[row])
    assert nearest_agreement(unit @ unit.T, labels).value == pytest.approx(np.mean(right))


def test_a_similarity_of_scripts_alone_is_at_chance_across_scripts() -> None:
    generator = np.random.default_rng(0)
    count = 400
    scripts = [f"script{number}" for number in generator.integers(0, 6, count)]
    # A family is written in one script mostly, as in the world, so that letters find it within scripts.
    families = [
        f"{script}-{generator.integers(0, 4)}" if generator.random() < 0.8 else f"script0-{generator.integers(0, 4)}"
        for script in scripts
    ]
    centre = {script: generator.normal(size=8) for script in set(scripts)}
    vectors = np.array([4 * centre[script] for script in scripts]) + generator.normal(size=(count, 8))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarities = unit @ unit.T
    everywhere = nearest_agreement(similarities, families)
    across = nearest_agreement(similarities, families, ~same_label(scripts))
    assert everywhere.value > everywhere.chance + 0.1
    assert abs(across.value - across.chance) < 0.06
    # And where families do matter across scripts, it is seen.
    kin = {name: generator.normal(size=8) for name in set(families)}
    vectors += np.array([4 * kin[name] for name in families])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    related = nearest_agreement(unit @ unit.T, families, ~same_label(scripts))
    assert related.value > related.chance + 0.1


def test_majority() -> None:
    assert majority_share(["a", "b", "a", None]) == pytest.approx(2 / 3)
    assert math.isnan(majority_share([None]))
