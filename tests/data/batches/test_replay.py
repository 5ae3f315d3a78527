from __future__ import annotations

import numpy as np
import pytest

from hf_mplm.data.batches.sampling import LanguageSampler


# Of three languages much, little and very little.
LABELS = np.repeat([0, 1, 2, 3], [5000, 300, 20, 80])


@pytest.mark.parametrize("share", [0.1, 0.3, 0.75])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_replayed_languages_have_their_share_of_the_draws(share: float, alpha: float) -> None:
    sampler = LanguageSampler(LABELS, alpha=alpha, seed=3, num_draws=20_480, replay=([0, 3], share))
    drawn = np.bincount(LABELS[sampler.rows(0, 20_480)], minlength=4)
    assert np.array_equal(drawn, sampler.language_counts(0, 20_480))
    # Exact to a draw a language, not by chance.
    assert abs(drawn[[0, 3]].sum() - 20_480 * share) <= 4
    assert abs(drawn[0] / drawn[3] - (5000 / 80) ** alpha) < 0.02 * (5000 / 80) ** alpha
    assert abs(drawn[1] / drawn[2] - (300 / 20) ** alpha) < 0.02 * (300 / 20) ** alpha
    # Vacuity guard: without replay their share is another.
    plain = LanguageSampler(LABELS, alpha=alpha, seed=3, num_draws=20_480).language_counts(0, 20_480)
    assert abs(plain[[0, 3]].sum() / 20_480 - share) > 0.04


def test_every_part_of_a_run_has_the_share() -> None:
    sampler = LanguageSampler(LABELS, seed=3, num_draws=20_480, replay=([1], 0.25))
    for start in range(0, 20_480, 4096):
        stop = min(start + 4096, 20_480)
        assert abs(sampler.language_counts(start, stop)[1] / (stop - start) - 0.25) < 0.03


def test_a_schedule_of_alpha_leaves_the_share() -> None:
    schedule = {"start": 1.0, "end": 0.0, "kind": "linear"}
    sampler = LanguageSampler(LABELS, alpha=schedule, seed=3, num_draws=10_240, replay=([2], 0.2))
    assert abs(sampler.language_counts(0, 10_240)[2] - 2048) <= 4


@pytest.mark.parametrize("replay", [([], 0.3), ([0, 1, 2, 3], 0.3), ([9], 0.3), ([1], 0.0), ([1], 1.0)])
def test_impossible_shares_are_refused(replay: tuple[list[int], float]) -> None:
    with pytest.raises(ValueError, match="share between 0 and 1"):
        LanguageSampler(LABELS, replay=replay)
