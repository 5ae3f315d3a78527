"""What a new LM head begins with: the bias of the training text, and steps of its own."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

from hf_mplm.modeling.new_head import NewHead, head_parameters, set_unigram_bias
from hf_mplm.modeling.pooling import without_peft


__all__ = ["NEW_HEAD", "HeadWarmup", "count_tokens", "start_head"]

logger = logging.getLogger(__name__)

# In the origin of a run: how its LM head was made.
NEW_HEAD = "lm_head"


def start_head(model: Any, rows: Any, tokenizer: PreTrainedTokenizerBase | None) -> str | None:
    """Set the bias of a new LM head by the text that is trained on; once, and nothing for any other head.

    Args:
        model (`transformers.PreTrainedModel`): with `new_head` where it has one.
        rows (`datasets.Dataset`, *optional*): what is trained on.
        tokenizer (`transformers.PreTrainedTokenizerBase`, *optional*): whose special tokens are not counted, as they
            are never predicted.

    Returns:
        `str`: what the head was made as, for the record of the run; `None` if it is not new.
    """
    new: NewHead | None = getattr(without_peft(model), "new_head", None)
    if new is None:
        return None
    if not new.has_bias and rows is not None:
        counts = count_tokens(rows)
        special = [] if tokenizer is None else tokenizer.all_special_ids
        counts[[index for index in special if index < len(counts)]] = 0
        set_unigram_bias(model, counts)
        new.has_bias = True
        logger.info("The LM head is %s", new.describe())
    return new.describe()


def count_tokens(rows: Any) -> torch.Tensor:
    """How often each id stands in rows of tokens, in all columns of ids together.

    Args:
        rows (`datasets.Dataset`): with `input_ids`, and `romanized_input_ids` where they are pairs.

    Returns:
        `torch.Tensor`: Shapes: (largest id + 1,).
    """
    total = np.zeros(0, dtype=np.int64)
    for name in (column for column in rows.column_names if column.endswith("input_ids")):
        for batch in rows.select_columns(name).with_format("arrow").iter(batch_size=10_000):
            found = np.bincount(batch[name].combine_chunks().flatten().to_numpy(zero_copy_only=False))
            size = max(len(total), len(found))
            total = np.pad(total, (0, size - len(total))) + np.pad(found, (0, size - len(found)))
    return torch.from_numpy(total)


class HeadWarmup(TrainerCallback):
    """Keeps the encoder as it is for a run's first steps.

    Its gradients are computed and thrown away, which costs what any step costs and is the same on any number of
    processes; an optimizer does nothing to a parameter without a gradient, weight decay included.

    Args:
        model (`transformers.PreTrainedModel`): what is trained.
        steps (`int`): how many; 0 for none.

    Raises:
        ValueError: if nothing of the head is trained.
    """

    def __init__(self, model: PreTrainedModel, steps: int) -> None:
        self.steps = steps
        if not steps:
            return
        bare: Any = without_peft(model)
        of_head = {id(parameter) for parameter in head_parameters(bare)}
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._encoder = [parameter for parameter in trained if id(parameter) not in of_head]
        if len(self._encoder) == len(trained):
            raise ValueError(
                f"--head_warmup_steps {steps} train the LM head alone, of which this run trains nothing; leave it out"
            )

    def drop_gradients(self, step: int) -> None:
        """Throw the encoder's gradients away while the head warms up.

        Args:
            step (`int`): optimizer steps done.
        """
        if step < self.steps:
            for parameter in self._encoder:
                parameter.grad = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say what is trained first."""
        if state.global_step < self.steps:
            logger.info("The first %s steps train the LM head alone", f"{self.steps:,}")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say when the encoder joins."""
        if self.steps and state.global_step == self.steps:
            logger.info("From step %s on the encoder is trained, too", f"{self.steps + 1:,}")
