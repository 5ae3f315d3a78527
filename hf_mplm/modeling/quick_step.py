"""The masked-LM step of training, with less work and memory; [`MaskedOnlyLM`] computes the same without this file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from .dropout_attention import DropoutAttention
from .final_layer import can_narrow, is_compiled, is_recomputed, narrowed_final_layer
from .masked_lm import IGNORE_INDEX, masked_lm_loss
from .tied_lookup import tied_lookup


__all__ = ["quick_step"]


def quick_step(
    model: Any,
    inputs: dict[str, Any],
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | int | None,
    return_logits: bool,
    addend: Callable[[torch.Size, torch.Tensor | None], torch.Tensor | None] | None,
) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """Encode and predict masked tokens.

    Args:
        model ([`MaskedOnlyLM`]): the model.
        inputs (`dict`): keyword arguments of the encoder.
        labels (`torch.Tensor`): -100 where nothing is to be predicted. Shapes: (batch, sequence).
        num_items_in_batch (`torch.Tensor` or `int`, *optional*): see [`masked_lm_loss`].
        return_logits (`bool`): whether the states of all positions are needed afterwards.
        addend (`Callable`, *optional*): of the (batch, sequence) shape and the flat masked positions, what is added to
            their states before the head.

    Returns:
        `tuple`: the encoder's output, the loss, and the loss of each masked token without a graph. Shapes: (masked,).
    """
    decoder = model.get_output_embeddings()
    shape, positions = labels.shape, None
    if not return_logits:
        positions = _narrowing(model.base_model, inputs, labels)
    narrowed = nullcontext() if positions is None else narrowed_final_layer(model.base_model, positions)
    with tied_lookup(model.get_input_embeddings(), decoder) as weights, narrowed, _attention(model.base_model):
        outputs = model.base_model(**inputs, return_dict=True)
    if positions is not None:
        labels = _at(positions, labels)
        if isinstance(num_items_in_batch, torch.Tensor) and num_items_in_batch.dim() > 0:
            num_items_in_batch = _at(positions, num_items_in_batch)
    result = masked_lm_loss(
        outputs.last_hidden_state,
        labels,
        model._transform,
        decoder,
        num_items_in_batch=num_items_in_batch,
        addend=addend and (lambda found: addend(shape, found if positions is None else positions)),
        weight=weights[-1] if weights else None,
    )
    return outputs, result.loss, result.losses


def _narrowing(base: Any, given: dict[str, Any], labels: torch.Tensor) -> torch.Tensor | None:
    """The masked positions, (masked,), where the last layer may compute them alone; otherwise `None`."""
    tokens = given.get("input_ids", given.get("inputs_embeds"))
    if tokens is None or tokens.shape[:2] != labels.shape or given.get("output_hidden_states"):
        return None
    if not can_narrow(base):
        return None
    return labels.to(tokens.device).flatten().ne(IGNORE_INDEX).nonzero().squeeze(-1)


def _attention(base: Any) -> AbstractContextManager[Any]:
    """What to call the encoder in: where torch keeps every score for the backward pass, something that does not."""
    stock = not base.training or base.device.type != "cpu" or base.config._attn_implementation != "sdpa"
    if stock or torch.compiler.is_compiling() or is_recomputed(base) or any(map(is_compiled, base.modules())):
        return nullcontext()
    return DropoutAttention()


def _at(positions: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The values of some positions, as one row. Shapes: (batch, sequence) to (1, positions)."""
    return values.to(positions.device).flatten()[positions][None]
