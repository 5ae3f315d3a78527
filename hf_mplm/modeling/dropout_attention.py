"""Attention with dropout on a CPU, which keeps one byte a score for the backward pass instead of twelve."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


__all__ = ["AttentionCall", "DropoutAttention", "attend", "left_to_others"]

_LEFT: ContextVar[bool] = ContextVar("left", default=False)


class AttentionCall(NamedTuple):
    """What `functional.scaled_dot_product_attention` is called with. Shapes: (rows, heads, width, size)."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    attn_mask: torch.Tensor | None = None
    dropout_p: float = 0.0
    is_causal: bool = False
    scale: float | None = None
    enable_gqa: bool = False


def attend(call: AttentionCall) -> torch.Tensor:
    """Attention as torch defines it, with less memory where torch has no fused kernel.

    With dropout on a CPU torch multiplies, normalises and drops step by step, and keeps of each score its weight, its
    random number and their product. Here the weights are computed again in the backward pass (Dao et al. 2022, section
    3.1), and what is kept of a score is whether it was dropped. Weights and gradients are the same; the random numbers
    are others.

    Args:
        call ([`AttentionCall`]): the call; one that this does not serve goes to torch.

    Returns:
        `torch.Tensor`: what is attended to. Shapes: (rows, heads, width, size).
    """
    if not _serves(call):
        return functional.scaled_dot_product_attention(
            call.query,
            call.key,
            call.value,
            attn_mask=call.attn_mask,
            dropout_p=call.dropout_p,
            is_causal=call.is_causal,
            scale=call.scale,
            enable_gqa=call.enable_gqa,
        )
    scale = 1 / math.sqrt(call.query.shape[-1]) if call.scale is None else call.scale
    return _WithDropout.apply(call.query, call.key, call.value, call.attn_mask, call.dropout_p, scale)


class DropoutAttention(TorchFunctionMode):
    """Inside, attention goes through [`attend`], but for what [`left_to_others`] leaves to another such context."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See the class."""
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention and not _LEFT.get():
            return attend(AttentionCall(*args, **kwargs))
        return func(*args, **kwargs)


@contextmanager
def left_to_others() -> Iterator[None]:
    """Inside, [`DropoutAttention`] stands aside for a context around it that knows more of the call."""
    token = _LEFT.set(True)
    try:
        yield
    finally:
        _LEFT.reset(token)


def _serves(call: AttentionCall) -> bool:
    query, mask = call.query, call.attn_mask
    plain = 1e-4 < call.dropout_p < 1 - 1e-4 and not call.is_causal and not call.enable_gqa and query.dim() == 4
    if not plain or any(one.device.type != "cpu" for one in call[:3]):
        return False
    if torch.is_autocast_enabled("cpu") or query.dtype not in (torch.float32, torch.float64):
        return False
    if mask is None:
        return True
    # A query that may look at nothing has no weights, of which torch makes zeros.
    hidden = ~mask if mask.dtype == torch.bool else mask.isneginf()
    return not mask.requires_grad and not bool(hidden.all(-1).any())


class _WithDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query, key, value, mask, probability, scale):
        weights = _weights(query * scale, key, mask)
        kept, share = _draw(weights.shape, 1 - probability)
        attended = weights.mul_(kept) @ (value / share)
        ctx.save_for_backward(query, key, value, mask, kept, attended)
        ctx.share, ctx.scale = share, scale
        return attended

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        query, key, value, mask, kept, attended = ctx.saved_tensors
        query, gradient_kept = query * ctx.scale, gradient / ctx.share
        weights = _weights(query, key, mask)
        # Through the softmax: each weight times how much its gradient exceeds their mean by weight, which is (Dao et
        # al. 2022, equation 4) the product of the output and its gradient.
        of_scores = (gradient_kept @ value.mT).mul_(kept)
        of_scores.sub_((gradient * attended).sum(-1, keepdim=True)).mul_(weights)
        of_value = weights.mul_(kept).mT @ gradient_kept
        return (of_scores @ key).mul_(ctx.scale), of_scores.mT @ query, of_value, None, None, None


def _weights(query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    scores = query @ key.mT
    if mask is not None and mask.dtype == torch.bool:
        scores.masked_fill_(~mask, -math.inf)
    elif mask is not None:
        scores.add_(mask)
    return scores.softmax(-1)


def _draw(shape: torch.Size, share: float) -> tuple[torch.Tensor, float]:
    """What is kept, and the share of it that is expected: the one asked for, but for 1 / 131,072.

    Four numbers of 16 bits are cut from one of 64. To draw them one by one takes as long as all the rest together.
    """
    bound = round(share * 2**16)
    number = shape.numel()
    bits = torch.empty(-(-number // 4), dtype=torch.int64).random_(-(2**63), None)
    return (bits.view(torch.int16)[:number] < bound - 2**15).view(shape), bound / 2**16
