"""Writing a model of another vocabulary: with its LM head, or as the encoder that it was without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel


__all__ = ["save_weights", "what_is_saved"]


def what_is_saved(model: PreTrainedModel, *, new_lm_head: bool) -> nn.Module:
    """The part of a masked-LM model that is written.

    Args:
        model (`PreTrainedModel`): the model.
        new_lm_head (`bool`): whether its head was made, and is left out: training makes it again, by its own text.
    """
    return model.base_model if new_lm_head else model


def save_weights(model: PreTrainedModel, folder: Path, *, new_lm_head: bool) -> None:
    """Write a masked-LM model, or its encoder alone, as the stock class.

    Args:
        model (`PreTrainedModel`): the model.
        folder (`Path`): where to.
        new_lm_head (`bool`): as in [`what_is_saved`].
    """
    if not new_lm_head:
        model.save_pretrained(folder)
        return
    with torch.device("meta"):
        encoder: Any = AutoModel.from_config(model.config, trust_remote_code=False)
    encoder.load_state_dict(what_is_saved(model, new_lm_head=True).state_dict(), assign=True)
    encoder.save_pretrained(folder)
