"""One gradient buffer for a weight that is both the input embeddings and the decoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .final_layer import all_modules_are_watched, is_watched


__all__ = ["tied_lookup"]


@contextmanager
def tied_lookup(embeddings: nn.Module, decoder: nn.Linear) -> Iterator[list[torch.Tensor]]:
    """Let a look-up inside add its gradient to the decoder's, instead of making a second one of the same size.

    The gradient of a look-up is a (vocabulary, hidden) buffer of which few rows are not zero; making it, filling it
    and adding it to the decoder's takes three passes over memory, and the room of a second gradient. Here the weight
    passes through the look-up's node on its way to the decoder, so that this node is handed the decoder's gradient and
    adds its few rows to it.

    Where the weights are not tied, not trained, or looked up in a way of their own, nothing changes; nor where
    somebody watches or changes what is looked up (hooks on the embeddings, NEFTune's among them, or on all modules),
    since what is looked up here never passes through the module.

    Args:
        embeddings (`nn.Module`): the input embeddings.
        decoder (`nn.Linear`): the LM head's last layer.

    Yields:
        `list[torch.Tensor]`: after a look-up its last entry is the weight for the decoder to use; empty where nothing
        changed. Shapes: (vocabulary, hidden).
    """
    weights: list[torch.Tensor] = []
    plain = type(embeddings) is nn.Embedding and not (
        embeddings.sparse or embeddings.scale_grad_by_freq or embeddings.max_norm is not None
    )
    tied = plain and embeddings.weight is decoder.weight and decoder.weight.requires_grad
    if tied and (all_modules_are_watched() or is_watched(embeddings) or "forward" in embeddings.__dict__):
        tied = False
    if not tied or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        yield weights
        return

    def share(module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        rows, weight = _TiedLookup.apply(module.weight, inputs[0], module.padding_idx)
        weights.append(weight)
        return rows

    handle = embeddings.register_forward_hook(share)
    try:
        yield weights
    finally:
        handle.remove()


class _TiedLookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight, ids, padding_idx):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(ids)
        ctx.padding_idx, ctx.shape = padding_idx, weight.shape
        return functional.embedding(ids, weight), weight.view_as(weight)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_rows, grad_weight):
        if grad_rows is None:
            return grad_weight, None, None
        (ids,) = ctx.saved_tensors
        ids, grad_rows = ids.flatten(), grad_rows.reshape(-1, ctx.shape[1])
        if ctx.padding_idx is not None:
            real = ids != ctx.padding_idx
            ids, grad_rows = ids[real], grad_rows[real]
        if grad_weight is None:
            grad_weight = grad_rows.new_zeros(ctx.shape)
        # Both are deterministic where they are used, and the other is not: repeated ids are added in a fixed order.
        if grad_weight.device.type == "cpu":
            grad_weight.index_add_(0, ids, grad_rows.to(grad_weight.dtype))
        else:
            grad_weight.index_put_((ids,), grad_rows.to(grad_weight.dtype), accumulate=True)
        return grad_weight, None, None
