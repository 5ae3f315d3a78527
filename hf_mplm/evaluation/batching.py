"""How much of a model's work is done at once, where, and in which mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


__all__ = ["default_device", "default_tokens_per_batch", "evaluation_mode", "length_sorted_batches"]


def length_sorted_batches(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Group rows of similar length into batches of a bounded number of tokens.

    The longest come first, so that a batch that does not fit into memory fails at once.

    Args:
        lengths (`Sequence[int]`): Tokens of each row.
        tokens_per_batch (`int`): Most tokens of a batch, padding included. A longer row stands alone.

    Yields:
        `list[int]`: Indices of the rows of a batch.
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    start = 0
    while start < len(order):
        size = max(1, tokens_per_batch // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode for a while, and every module of it back into its own mode afterwards.

    Args:
        model (`nn.Module`): The model.

    Yields:
        Nothing.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def default_tokens_per_batch(device: torch.device) -> int:
    """Choose the size of a batch in tokens.

    Args:
        device (`torch.device`): Where the model is.

    Returns:
        `int`: 512 on a CPU, whose caches then hold the activations and where little is padded; 65,536 elsewhere.
    """
    return 512 if device.type == "cpu" else 65536


def default_device() -> torch.device:
    """Choose an accelerator if there is one.

    Returns:
        `torch.device`: CUDA, MPS or the CPU, in this order.
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
