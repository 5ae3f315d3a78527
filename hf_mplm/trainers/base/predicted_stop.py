"""End a run when its held-out curve says that the rest is not worth it, and tell the prediction as it goes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from transformers import TrainerCallback

from hf_mplm._lists import as_list

from .learning_curve import LearningCurve, fit_curve


__all__ = ["PredictedStopCallback"]

logger = logging.getLogger(__name__)

_LOSS = "eval_loss_macro"
_OF_LANGUAGE = "eval_loss_{}"


class PredictedStopCallback(TrainerCallback):
    """Fits a power law with an offset to the held-out losses, and ends the run before steps of no use.

    At each evaluation the curve is fitted to all evaluations of the run so far, and the prediction is logged. The run
    ends where the steps that are left would lower the loss by less than `gain`, and twice as many as were done would,
    too: what a schedule allows is not blamed on the model. All that it goes by stands in the log of the run, so that
    a resumed run stops where the whole one does. It knows nothing of a learning rate that falls at the end, and is
    meant for a constant one.

    Args:
        gain (`float`): in nats.
        languages (`Sequence[str]`, *optional*): codes by whose mean loss it goes, where they have held-out text; all
            by default.
    """

    def __init__(self, gain: float, languages: Sequence[str] | None = None) -> None:
        self.gain = gain
        self.languages = None if languages is None else as_list(languages)

    def is_over(self, curve: LearningCurve, step: int, max_steps: int) -> bool:
        """Whether neither the steps that are left nor as many as were done would gain enough.

        Args:
            curve ([`LearningCurve`]): of the run so far.
            step (`int`): steps done.
            max_steps (`int`): steps of the whole run.
        """
        return max(curve.gain(step, max_steps), curve.gain(step, 2 * step)) < self.gain

    def has_stopped(self, state: Any) -> bool:
        """Whether a run ended at this very step, of which there is a checkpoint too.

        Args:
            state (`transformers.TrainerState`): of the checkpoint.
        """
        curve = self._curve(state)
        return curve is not None and self.is_over(curve, state.global_step, state.max_steps)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Fit, tell, and end the run where nothing is to be gained."""
        step = state.global_step
        curve = self._curve(state) if step < state.max_steps else None
        if curve is None:
            return
        left = curve.gain(step, state.max_steps)
        stops = self.is_over(curve, step, state.max_steps)
        logger.info(
            "held-out loss %.4f at step %s; predicted %.4f at %s, with %.4f as its floor%s",
            self._points(state)[step],
            f"{step:,}",
            curve.at(state.max_steps),
            f"{state.max_steps:,}",
            curve.floor,
            f": the {state.max_steps - step:,} steps left would gain {left:.4f}, and the run ends here"
            if stops
            else "",
        )
        if stops:
            control.should_training_stop = True

    def _loss(self, entry: Mapping[str, Any]) -> float:
        losses = [entry[name] for code in self.languages or () if (name := _OF_LANGUAGE.format(code)) in entry]
        return float(fmean(losses) if losses else entry[_LOSS])

    def _points(self, state: Any) -> dict[int, float]:
        return {
            entry["step"]: self._loss(entry) for entry in state.log_history if _LOSS in entry and entry["step"] > 0
        }

    def _curve(self, state: Any) -> LearningCurve | None:
        """The curve of a run that has just been evaluated."""
        points = self._points(state)
        return fit_curve(list(points), list(points.values())) if state.global_step in points else None
