"""The masked-LM loss of any model as a sum over masked tokens divided by a count that the caller knows."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from hf_mplm.modeling.pooling import without_peft


__all__ = ["MaskedLMForward"]


class MaskedLMForward:
    """Calls a masked language model for the summed loss of a batch over a given number of tokens.

    Models of this package compute it themselves, at masked positions only. Every other model is asked for its logits,
    and the loss is taken here: what stock models make of `num_items_in_batch` differs between architectures and
    versions (XLM-R of transformers 5 ignores it although Trainer takes it to be honoured, which multiplies gradients
    by the number of micro-batches).

    Args:
        model (`transformers.PreTrainedModel`): the model, not wrapped.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        # By name: a checkpoint loaded with its remote code brings a copy of the class.
        self.is_masked_only = any(kind.__name__ == "MaskedOnlyLM" for kind in type(without_peft(model)).__mro__)
        parameters = inspect.signature(model.forward).parameters
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        self._accepted = None if takes_any else set(parameters)

    def __call__(self, model: nn.Module, inputs: dict[str, Any], count: torch.Tensor) -> torch.Tensor:
        """The sum of the losses of the masked tokens, divided by `count`.

        Args:
            model (`torch.nn.Module`): the model, in whatever wrapper it trains in.
            inputs (`dict`): the batch, with `labels` (-100 where nothing is predicted). Shapes: (batch, sequence).
            count (`torch.Tensor`): what to divide by; 1 stands in for 0. Shape: ().

        Returns:
            `torch.Tensor`: scalar with a graph; 0 where no token is masked. Shape: ().
        """
        if self.is_masked_only:
            return model(**inputs, num_items_in_batch=count.clamp(min=1))["loss"]
        labels = inputs["labels"]
        without_labels = {
            key: value
            for key, value in inputs.items()
            if key != "labels" and (self._accepted is None or key in self._accepted)
        }
        logits = model(**without_labels, return_dict=True)["logits"]
        masked = labels.ne(-100)
        # In single precision at least, as the stock losses: logits may be half.
        chosen = logits[masked]
        chosen = chosen.float() if chosen.dtype in (torch.float16, torch.bfloat16) else chosen
        return functional.cross_entropy(chosen, labels[masked], reduction="sum") / count.clamp(min=1)
