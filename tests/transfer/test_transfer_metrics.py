from __future__ import annotations

import itertools

import numpy as np
import pytest

from hf_mplm.transfer.transfer_metrics import interference_projection, interference_signs, transfer_scores


# Table 6 of the transfer study: Arabic with Bengali.
COUNTS = {(-1, -1): 1, (-1, 1): 1, (1, -1): 3, (1, 1): 2}


def test_the_worked_example_of_appendix_f_comes_out():
    signs = [case for case, count in COUNTS.items() for _ in range(count)]
    x, y = interference_projection(signs)
    assert (round(x, 2), round(y, 2)) == (0.43, -0.14)
    alone = np.full((7, 2), 0.5)
    np.testing.assert_array_equal(interference_signs(alone + 0.1 * np.array(signs), alone), signs)


def test_three_languages_are_projected_into_space():
    octants = list(itertools.product((-1, 1), repeat=3))
    np.testing.assert_array_equal(interference_projection(octants), [0, 0, 0])
    np.testing.assert_array_equal(interference_projection([*octants, (1, -1, 1)]), np.array([1, -1, 1]) / 9)


def test_no_change_is_no_positive_interference():
    assert interference_signs([[0.5, 0.75]], [[0.5, 0.5]]).tolist() == [[-1, 1]]


def test_transfer_is_a_share_of_the_base_score():
    # By hand: (0.55 - 0.5) / 0.5 and (0.1 - 0.2) / 0.2; a higher base makes the same points a smaller share.
    scores = transfer_scores([[0.5, 0.6], [0.1, 0.1, 0.1]], [0.5, 0.2])
    np.testing.assert_allclose(scores, [0.1, -0.5])
    assert transfer_scores([[0.9]], [0.8])[0] < transfer_scores([[0.2]], [0.1])[0]


def test_the_order_and_number_of_runs_do_not_matter():
    runs = list(np.random.default_rng(0).uniform(0.2, 0.9, 10))
    expected = transfer_scores([runs], [0.4])
    np.testing.assert_allclose(transfer_scores([runs[::-1]], [0.4]), expected)
    np.testing.assert_allclose(transfer_scores([runs * 3], [0.4]), expected)


@pytest.mark.parametrize(
    ("tuned", "base", "message"),
    [
        ([[0.5]], [0.5, 0.5], "1 targets were tuned, but there are 2 base scores"),
        ([], [], "no target"),
        ([[0.5], []], [0.5, 0.5], "target 1 has no runs"),
        ([[0.5]], [0.0], "base score 0.0"),
        ([[float("nan")]], [0.5], "not finite"),
    ],
)
def test_what_cannot_be_scored_is_refused(tuned, base, message):
    with pytest.raises(ValueError, match=message):
        transfer_scores(tuned, base)


def test_signs_and_shapes_are_checked():
    with pytest.raises(ValueError, match="either 1 or -1"):
        interference_projection([[1, 0]])
    with pytest.raises(ValueError, match="cases, languages"):
        interference_projection([])
    with pytest.raises(ValueError, match="cases, languages"):
        interference_signs([[0.5, 0.5]], [[0.5]])
