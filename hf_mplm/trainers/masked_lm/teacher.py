"""The model that a run started from, asked what it would have predicted, so that the run does not forget it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from hf_mplm.losses.distillation import DistillationLoss
from hf_mplm.modeling.langscript import LangScriptLM
from hf_mplm.modeling.masked_only_lm import MaskedOnlyLM
from hf_mplm.modeling.new_head import transform_parts
from hf_mplm.modeling.pooling import without_peft


__all__ = ["Teacher"]


class Teacher:
    """Compares a model's predictions of masked tokens with those of the model that it started from.

    Both see the same masked text. The teacher costs a forward pass a step, and its weights stay in memory.

    Args:
        teacher (`transformers.PreTrainedModel`): a masked-LM model of XLM-R, BERT or ModernBERT; it is not trained.
        num_tokens (`int`, *optional*): the ids below it are those that the teacher has learned; all of its own by
            default. A vocabulary that was extended has new tokens behind, of which the teacher knows nothing.

    Raises:
        ValueError: if the model is of another kind.
    """

    def __init__(self, teacher: PreTrainedModel, num_tokens: int | None = None) -> None:
        if not isinstance(teacher, MaskedOnlyLM):
            raise ValueError(
                f"distillation needs a masked-LM model of XLM-R, BERT or ModernBERT, not {type(teacher).__name__}"
            )
        self.teacher = teacher.eval().requires_grad_(False)
        decoder: Any = teacher.get_output_embeddings()
        self.num_tokens = len(decoder.weight) if num_tokens is None else num_tokens
        self._loss = DistillationLoss()

    @staticmethod
    @contextmanager
    def watching(model: nn.Module) -> Iterator[list[torch.Tensor]]:
        """Keep what a model's decoder is given while it computes a loss: states of masked positions, in order.

        Args:
            model (`torch.nn.Module`): the model, without a wrapper.

        Yields:
            `list[torch.Tensor]`: after the forward pass its one entry. Shapes: (masked, hidden).
        """
        states: list[torch.Tensor] = []
        norm = transform_parts(without_peft(model))[1]
        handle = norm.register_forward_hook(lambda _module, _inputs, output: states.append(output))
        try:
            yield states
        finally:
            handle.remove()

    def divergence(self, model: nn.Module, states: torch.Tensor, inputs: dict[str, Any]) -> torch.Tensor:
        """The summed KL(teacher || model) at the masked positions, over the tokens that the teacher knows.

        Args:
            model (`torch.nn.Module`): the model, without a wrapper.
            states (`torch.Tensor`): what its decoder was given. Shapes: (masked, hidden).
            inputs (`dict`): the batch, with `labels`. Shapes: (batch, sequence). For a teacher with tables of
                languages and scripts its own `language_ids` and `script_ids`, too. Shapes: (batch,).

        Returns:
            `torch.Tensor`: Shape: ().
        """
        teacher: Any = self.teacher.to(states.device)
        masked = inputs["labels"].ne(-100)
        with torch.no_grad():
            given = {name: inputs[name] for name in ("input_ids", "attention_mask") if name in inputs}
            hidden = teacher.base_model(**given, return_dict=True).last_hidden_state[masked]
            if isinstance(teacher, LangScriptLM):
                ids = (inputs.get("language_ids"), inputs.get("script_ids"))
                added = teacher._addend(masked.shape, masked.flatten().nonzero().squeeze(-1), *ids)
                hidden = hidden if added is None else hidden + added
            wanted = teacher._transform(hidden)
        decoder: Any = teacher.get_output_embeddings()
        bias = None if decoder.bias is None else decoder.bias[: self.num_tokens]
        own: Any = without_peft(model)
        return self._loss(states, own.get_output_embeddings(), wanted, decoder.weight[: self.num_tokens], bias)
