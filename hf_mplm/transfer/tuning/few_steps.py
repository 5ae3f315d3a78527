"""Few steps of masked language modelling in one language (arXiv 2403.20088, section 2, step 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from .base import Base
from .batches import MaskedBatches
from .seeds import seed_of


__all__ = ["DivergedError", "make_optimizer", "masked_lm_steps", "tune"]


class DivergedError(ArithmeticError):
    """A loss or a weight became NaN or infinite, so that there is nothing to score."""


def tune(
    base: Base,
    batches: MaskedBatches,
    steps: Sequence[int],
    *,
    schedule: str,
    optimizer: str,
    learning_rate: float,
    seed: int,
) -> Iterator[int]:
    """Tune all weights of a base, and stop after each number of steps for it to be scored.

    With the schedule `constant` one run passes all of them, so that what is scored after k steps is what a run of k
    steps alone would give. With `paper` each is a run of its own from the base as it was loaded, whose learning rate
    goes to 0 over its steps, as the published code has it.

    Call it inside `base.lent()`. What happens between two steps does not matter to it: each step seeds its own
    dropout.

    Args:
        base (`Base`): the base, whose weights move.
        batches (`MaskedBatches`): batch t is that of step t + 1.
        steps (`Sequence[int]`): numbers of steps, ascending.
        schedule (`str`): `"constant"` or `"paper"`.
        optimizer (`str`): `"adamw"` or `"sgd"`.
        learning_rate (`float`): peak learning rate.
        seed (`int`): of the dropout.

    Yields:
        `int`: the number of steps made, of `steps`.

    Raises:
        DivergedError: if a loss or a weight became NaN.
    """
    runs = [list(steps)] if schedule == "constant" else [[number] for number in steps]
    for wanted in runs:
        base.restore()
        base.model.requires_grad_(True)
        made = make_optimizer(optimizer, base.model.parameters(), learning_rate)
        total = wanted[-1]
        decay = LambdaLR(made, lambda step, total=total: 1.0 if schedule == "constant" else 1 - step / total)  # type: ignore[misc]
        for step in range(1, total + 1):
            base.model.train()
            torch.manual_seed(seed_of(seed, "dropout", step))
            loss = base.model(**batches.on(base.device, step - 1)).loss
            _step(loss, made, step, learning_rate)
            decay.step()
            if step in wanted:
                if not base.is_finite():
                    raise DivergedError(_told(f"a weight is not finite after step {step}", learning_rate))
                base.model.eval()
                yield step
        base.model.requires_grad_(False)


def masked_lm_steps(
    base: Base,
    encoder: Any,
    weights: Sequence[Tensor],
    batches: MaskedBatches,
    *,
    learning_rate: float,
    seed: int,
    decays: bool = True,
) -> Iterator[float]:
    """Train modules in a base's encoder on masked text, everything else being frozen.

    Args:
        base (`Base`): the base, whose head predicts.
        encoder (`nn.Module`): its encoder with the modules active.
        weights (`Sequence[Tensor]`): what is trained.
        batches (`MaskedBatches`): one a step.
        learning_rate (`float`): peak learning rate of AdamW.
        seed (`int`): of the dropout.
        decays (`bool`, *optional*, defaults to `True`): whether the learning rate goes to 0 over the steps.

    Yields:
        `float`: the loss of each step.

    Raises:
        DivergedError: if a loss became NaN.
    """
    made = make_optimizer("adamw", weights, learning_rate)
    total = len(batches)
    decay = LambdaLR(made, lambda step: 1 - step / total if decays else 1.0)
    for step in range(1, total + 1):
        encoder.train()
        torch.manual_seed(seed_of(seed, "dropout", step))
        loss = base.masked_lm_loss(encoder, batches.on(base.device, step - 1))
        if loss.requires_grad:
            _step(loss, made, step, learning_rate)
        decay.step()
        yield float(loss.detach())
    encoder.eval()


def make_optimizer(name: str, weights: Any, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW without weight decay, as the published code has it, or plain SGD.

    Adam divides by the size of its own first gradient, so that its first step moves every weight that has a gradient
    by the learning rate, whatever the text.

    Args:
        name (`str`): `"adamw"` or `"sgd"`.
        weights (iterable of `Tensor`): what moves.
        learning_rate (`float`): its learning rate.
    """
    if name == "sgd":
        return torch.optim.SGD(weights, lr=learning_rate)
    return torch.optim.AdamW(weights, lr=learning_rate, weight_decay=0.0, fused=True)


def _step(loss: Tensor, optimizer: torch.optim.Optimizer, step: int, learning_rate: float) -> None:
    if not math.isfinite(float(loss.detach())):
        raise DivergedError(_told(f"the masked-LM loss is {float(loss.detach())} at step {step}", learning_rate))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def _told(what: str, learning_rate: float) -> str:
    return f"{what}: the run diverged at learning rate {learning_rate}; lower it (--learning_rate)"
