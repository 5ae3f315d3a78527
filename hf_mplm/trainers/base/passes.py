"""How often a run reads its corpus: said when it begins, with a warning where that is beyond all use."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import TrainerCallback


if TYPE_CHECKING:
    from .trainer import MplmTrainer


__all__ = ["PassesCallback", "describe_passes"]

logger = logging.getLogger(__name__)

# Passes beyond which a run is warned of. Language models gain next to nothing from the same text after about 40
# (Muennighoff et al. 2023, "Scaling Data-Constrained Language Models", section 5); masks that change give some more.
ABSURD = 100
# What the warning offers instead.
PLENTY = 10


class PassesCallback(TrainerCallback):
    """Says at the start of training how many times the rows are read, by all languages and by the one read most often.

    Args:
        trainer (`MplmTrainer`): whose sampler knows the draws of each language.
    """

    def __init__(self, trainer: MplmTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log the line, as a warning where the number is absurd."""
        sampler = self.trainer._sampler
        if sampler is None or not state.is_world_process_zero:
            return
        draws = sampler.language_counts(0, sampler.num_draws)
        text, absurd = describe_passes(self.trainer.languages, sampler.sizes, draws, self.trainer.draws_per_step)
        logger.log(logging.WARNING if absurd else logging.INFO, text)


def describe_passes(
    languages: Sequence[str], rows: np.ndarray, draws: np.ndarray, draws_per_step: int
) -> tuple[str, bool]:
    """Tell how often a run reads what it trains on.

    Args:
        languages (`Sequence[str]`): codes, in the order of the counts.
        rows (`np.ndarray`): rows of each language. Shape: (languages,).
        draws (`np.ndarray`): draws of each language over the run. Shape: (languages,).
        draws_per_step (`int`): draws of an optimizer step.

    Returns:
        `tuple[str, bool]`: a sentence, and whether the number is absurd.
    """
    total, drawn = int(rows.sum()), int(draws.sum())
    each = draws / np.maximum(rows, 1)
    most = int(each.argmax())
    passes = drawn / total
    text = (
        f"{math.ceil(drawn / draws_per_step):,} steps of {draws_per_step:,} rows read {total:,} rows "
        f"{_times(passes)} on average"
    )
    if len(languages) > 1:
        text += f", {languages[most]} ({int(rows[most]):,} rows) most often, {_times(each[most])}"
    if passes <= ABSURD:
        return text, False
    steps = math.ceil(PLENTY * total / draws_per_step)
    return (
        f"{text}: far more often than text is worth reading, and the model will know it by heart. Give more text, or "
        f"fewer steps: --max_steps {steps} reads it {PLENTY} times",
        True,
    )


def _times(number: float) -> str:
    return f"{number:,.1f} times" if number < 100 else f"{number:,.0f} times"
