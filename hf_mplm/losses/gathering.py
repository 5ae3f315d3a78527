"""Rows of all processes in one tensor, through which gradients flow back to the process that each row came from."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed


__all__ = ["gather_rows", "world_size"]


def world_size() -> int:
    """Number of processes that train together; 1 where nothing is distributed."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gather_rows(rows: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Concatenate the rows of all processes in the order of their ranks, with gradients.

    The gradient of a process' own rows is the sum of what all processes' losses ask of them. Without that sum each
    loss would move its own side alone, as in the published code of Xhelili et al. 2024, whose contrastive gradients
    are those of the whole batch divided by the number of GPUs.

    Args:
        rows (`torch.Tensor`): the same shape on every process. Shapes: (rows, ...).

    Returns:
        `tuple[torch.Tensor, int]`: all rows, Shapes: (processes * rows, ...), and where this process' own begin.
    """
    if world_size() == 1:
        return rows, 0
    return _GatherRows.apply(rows), distributed.get_rank() * len(rows)


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        ctx.size = len(rows)
        parts = [torch.empty_like(rows) for _ in range(world_size())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        # One small tensor: an all-reduce works on every backend, a reduce-scatter does not.
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total.narrow(0, distributed.get_rank() * ctx.size, ctx.size)
