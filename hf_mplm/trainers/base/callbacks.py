"""Callbacks of the trainer base: epochs counted in draws, and a progress bar that people can read."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback
from transformers.trainer_callback import ProgressCallback


if TYPE_CHECKING:
    from .trainer import MplmTrainer


__all__ = ["EpochByDrawsCallback", "TrainingProgressCallback", "describe_log"]

logger = logging.getLogger(__name__)

# One value per language: in the log and in every report, but not in a line for the terminal.
_PER_LANGUAGE = re.compile(r"^draws_|_loss_[a-z]{3}_[A-Z][a-z]{3}$")
_HIDDEN = {"total_flos", "epoch", "learning_rate", "grad_norm"}


class EpochByDrawsCallback(TrainerCallback):
    """Counts epochs in draws: one is over when as many rows were drawn as the data set has.

    Trainer sees one long epoch of `max_steps` steps, because draws do not stop at the end of a pass. Strategies called
    "epoch" keep their meaning.

    Args:
        trainer (`MplmTrainer`): which knows how many rows were drawn.
    """

    def __init__(self, trainer: MplmTrainer) -> None:
        self.trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set `state.epoch`, and log, evaluate or save where an epoch has just ended."""
        rows = len(self.trainer.train_dataset)
        done = self.trainer.draws_done
        state.epoch = done / rows
        if (done - self.trainer.draws_per_step) // rows == done // rows or state.global_step >= state.max_steps:
            return
        control.should_log |= args.logging_strategy == "epoch"
        control.should_evaluate |= args.eval_strategy == "epoch"
        control.should_save |= args.save_strategy == "epoch"


class TrainingProgressCallback(ProgressCallback):
    """Trainer's progress bar, with the line of the log that matters: step, losses, tokens per second.

    Args:
        bars (`bool`, *optional*, defaults to `True`): `False` writes the lines to the logger, or to standard error in
            a script that set up none, without bars.
    """

    def __init__(self, bars: bool = True) -> None:
        super().__init__()
        # In a file a bar is one line a step; the lines of the log say as much.
        self.bars = bars and sys.stderr.isatty()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar at the step where training goes on."""
        if not self.bars:
            return
        super().on_train_begin(args, state, control, **kwargs)
        self.current_step = state.global_step
        if self.training_bar is not None:
            self.training_bar.update(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar."""
        if self.bars:
            super().on_step_end(args, state, control, **kwargs)

    def on_prediction_step(
        self, args: Any, state: Any, control: Any, eval_dataloader: Any = None, **kwargs: Any
    ) -> None:
        """Move the bar of an evaluation."""
        if self.bars:
            super().on_prediction_step(args, state, control, eval_dataloader=eval_dataloader, **kwargs)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Write one line."""
        line = describe_log(logs or {}, state.global_step, state.max_steps)
        if not state.is_world_process_zero or not line:
            return
        if self.training_bar is not None:
            self.training_bar.write(line, file=sys.stderr)
        elif logger.isEnabledFor(logging.INFO) and logger.hasHandlers():
            logger.info(line)
        else:
            # A script that set up no logging; Trainer without bars prints, too.
            sys.stderr.write(f"{line}\n")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the bar."""
        if self.bars:
            super().on_train_end(args, state, control, **kwargs)


def describe_log(logs: dict[str, Any], step: int, max_steps: int) -> str:
    """One line for people out of a line of the log, without the values that each language has.

    Args:
        logs (`dict`): what is logged.
        step (`int`): the step that it belongs to.
        max_steps (`int`): steps of the whole run.

    Returns:
        `str`: the line, or an empty string where nothing of it is for people.
    """
    parts = []
    for name, value in logs.items():
        if name in _HIDDEN or _PER_LANGUAGE.search(name) or not isinstance(value, int | float):
            continue
        if name == "tokens_per_second":
            parts.append(f"{value:,.0f} tokens/s")
        elif name.endswith(("_runtime", "_per_second")):
            continue
        else:
            parts.append(f"{name} {value:.4g}")
    if not parts:
        return ""
    # A trainer that only evaluates has no steps.
    return "  ".join([f"step {step:,}/{max_steps:,}", *parts] if max_steps > 0 else parts)
