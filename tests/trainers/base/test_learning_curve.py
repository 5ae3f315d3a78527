from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from transformers import TrainerControl

from hf_mplm.trainers.base.learning_curve import fit_curve
from hf_mplm.trainers.base.predicted_stop import PredictedStopCallback


STEPS = np.arange(50, 1050, 50)


def curve(floor: float, scale: float, exponent: float, earlier: float = 0.0, noise: float = 0.0, seed: int = 0):
    values = floor + scale * (STEPS + earlier) ** -exponent
    return values + noise * np.random.default_rng(seed).standard_normal(len(STEPS))


@pytest.mark.parametrize(
    "law", [(2.0, 6.0, 0.4), (1.0, 30.0, 0.8, 100.0), (3.0, 2.0, 0.15, 20.0), (0.5, 200.0, 1.2, 300.0)]
)
def test_the_future_of_a_curve_without_noise_is_predicted(law: tuple[float, ...]) -> None:
    """The first twelve points, and what comes at twice and four times as many steps."""
    found = fit_curve(STEPS[:12], curve(*law)[:12])
    for step in (2 * STEPS[11], 4 * STEPS[11]):
        floor, scale, exponent, *earlier = law
        true = floor + scale * (step + sum(earlier)) ** -exponent
        fallen = curve(*law)[0] - true
        assert abs(found.at(step) - true) < 0.06 * fallen
    assert found.error < 2e-3


def test_noise_is_told_and_does_not_lead_far_astray() -> None:
    for seed in range(5):
        found = fit_curve(STEPS, curve(2.0, 20.0, 0.6, 50.0, noise=0.02, seed=seed))
        true = 2.0 + 20.0 * 2050**-0.6
        assert abs(found.at(2000) - true) < 0.1
        assert 0.008 < found.error < 0.05


def test_a_flat_curve_and_a_rising_one_have_nothing_to_gain() -> None:
    flat = fit_curve(STEPS, np.full(len(STEPS), 3.0))
    rising = fit_curve(STEPS, 3.0 + STEPS / 1e4)
    for found in (flat, rising):
        assert found.gain(1000, 10_000) < 1e-6


def test_few_points_and_broken_ones_are_not_fitted() -> None:
    assert fit_curve(STEPS[:4], curve(2.0, 6.0, 0.4)[:4]) is None
    assert fit_curve(STEPS, np.full(len(STEPS), np.nan)) is None


def stopped_at(losses: np.ndarray, gain: float, max_steps: int) -> int | None:
    """The step at which a run of these held-out losses ends."""
    callback = PredictedStopCallback(gain)
    history: list[dict] = []
    for step, loss in zip(STEPS.tolist(), losses.tolist()):
        history.append({"step": step, "eval_loss_macro": loss})
        state = SimpleNamespace(log_history=history, global_step=step, max_steps=max_steps)
        control = TrainerControl()
        callback.on_evaluate(None, state, control)
        if control.should_training_stop:
            assert callback.has_stopped(state)
            return step
        assert not callback.has_stopped(state) or step >= max_steps
    return None


def test_a_run_ends_when_its_curve_is_at_its_floor_and_not_before() -> None:
    fast = curve(2.0, 3000.0, 2.0)
    end = stopped_at(fast, 0.01, 10_000)
    # What was left at the end was less than the bound, and a hundred steps before more than it.
    assert end is not None and fast[list(STEPS).index(end)] - 2.0 < 0.02
    assert 3000.0 * (end - 200) ** -2.0 > 0.01
    # Vacuity guards: a slow curve goes on, and so does any without a bound or with a very small one.
    assert stopped_at(curve(1.0, 10.0, 0.3), 0.01, 10_000) is None
    assert stopped_at(fast, 1e-9, 10_000) is None


def test_a_run_goes_on_while_the_languages_that_it_is_for_still_gain() -> None:
    """One of four languages is new and learns; the mean over all hides it."""
    new, old = curve(1.0, 12.0, 0.35), np.full(len(STEPS), 3.0)

    def stops(gain: float, languages: list[str] | None) -> bool:
        callback = PredictedStopCallback(gain, languages)
        history = [
            {
                "step": step,
                "eval_loss_wol_Latn": fresh,
                **{f"eval_loss_{code}": known for code in ("swh_Latn", "ell_Grek", "ukr_Cyrl")},
                "eval_loss_macro": (fresh + 3 * known) / 4,
            }
            for step, fresh, known in zip(STEPS.tolist(), new.tolist(), old.tolist())
        ]
        state = SimpleNamespace(log_history=history, global_step=int(STEPS[-1]), max_steps=int(2 * STEPS[-1]))
        control = TrainerControl()
        callback.on_evaluate(None, state, control)
        assert callback.has_stopped(state) == bool(control.should_training_stop)
        return bool(control.should_training_stop)

    # What is left of the new one's curve, of which the mean shows a quarter.
    left = float(12.0 * (STEPS[-1] ** -0.35 - (2 * STEPS[-1]) ** -0.35))
    assert stops(left / 2, None) and not stops(left / 2, ["wol_Latn"])
    assert stops(2 * left, ["wol_Latn"])
    # A language without held-out text says nothing; where none says anything, the mean does.
    assert not stops(left / 2, ["wol_Latn", "bam_Latn"]) and stops(left / 2, ["bam_Latn"])


def test_the_last_steps_of_a_schedule_do_not_end_a_run_that_learns() -> None:
    """Few steps are left, which gain little; as many again as were done would gain more."""
    assert stopped_at(curve(1.0, 10.0, 0.3), 0.01, 1001) is None
