"""Adam on the rows of a table that a step touches."""

from __future__ import annotations

import math

import torch
from torch import Tensor


__all__ = ["SparseAdam"]


class SparseAdam:
    """What `torch.optim.SparseAdam` computes (Kingma and Ba 2015, of touched rows alone), from rows and gradients.

    No sparse tensor is built, sorted or summed once more.

    Args:
        table (`Tensor`): changed in place. Shape: (rows, size).
        learning_rate (`float`, *optional*, defaults to 1e-3): step size.
        betas (`tuple[float, float]`, *optional*, defaults to (0.9, 0.999)): decay of the two moments.
        epsilon (`float`, *optional*, defaults to 1e-8): added to the root of the second moment.
    """

    def __init__(
        self,
        table: Tensor,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.table, self.learning_rate, self.betas, self.epsilon = table, learning_rate, betas, epsilon
        self.first = torch.zeros_like(table)
        self.second = torch.zeros_like(table)
        self.steps = 0

    def step(self, rows: Tensor, gradients: Tensor) -> None:
        """Change some rows.

        Args:
            rows (`Tensor`): which, each once. Shape: (touched,), int64.
            gradients (`Tensor`): theirs. Shape: (touched, size).
        """
        self.steps += 1
        beta1, beta2 = self.betas
        first = self.first[rows].lerp_(gradients, 1 - beta1)
        second = self.second[rows].mul_(beta2).addcmul_(gradients, gradients, value=1 - beta2)
        self.first[rows], self.second[rows] = first, second
        correction = math.sqrt(1 - beta2**self.steps) / (1 - beta1**self.steps)
        change = first.div_(second.sqrt_().add_(self.epsilon))
        self.table.index_add_(0, rows, change, alpha=-self.learning_rate * correction)
