"""Contrastive losses over more rows than the encoder can hold at once: their gradients without their graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch


__all__ = ["RandomState", "representation_gradients", "surrogate_loss"]


# Kinds of devices whose random numbers can be drawn again.
_REPEATABLE = ("cpu", "cuda")


class RandomState:
    """The random state before a forward pass, so that a second pass drops out what the first one did.

    Args:
        device (`torch.device`): where the pass runs, CPU or CUDA; its generator is kept beside the CPU's.
        instead (`str`): what a user types to do without, for the error.

    Raises:
        ValueError: on a device of another kind, whose generator is not kept.
    """

    def __init__(self, device: torch.device, instead: str) -> None:
        if device.type not in _REPEATABLE:
            raise ValueError(f"gradient caching repeats dropout on CPU and CUDA, not on {device.type}; {instead}")
        self._device = device
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Run what is inside from this state, and put the present one back afterwards."""
        devices = [self._device] if self._cuda is not None else []
        with torch.random.fork_rng(devices=devices):
            torch.set_rng_state(self._cpu)
            if self._cuda is not None:
                torch.cuda.set_rng_state(self._cuda, self._device)
            yield


def representation_gradients(
    loss_function: Callable[[Mapping[str, torch.Tensor]], Mapping[str, torch.Tensor]],
    representations: Mapping[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Losses of representations that were made without a graph, and the gradients of the representations.

    Gradient caching (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"): the
    encoder runs once without a graph over all rows, the loss is taken of them all, and then the encoder runs over a
    few rows at a time with a graph, from the same random state, and passes these gradients on; see
    [`surrogate_loss`]. Memory is that of a few rows, the gradient that of all.

    Args:
        loss_function (`Callable`): representations to named scalar losses.
        representations (`Mapping`): name to tensor without a graph. Shapes: any.

    Returns:
        `tuple[dict, dict]`: the losses, detached, and the gradient of their sum for each representation, zeros where
        there is none.
    """
    leaves = {name: value.detach().requires_grad_() for name, value in representations.items()}
    with torch.enable_grad():
        losses = loss_function(leaves)
        total = torch.stack([loss.reshape(()) for loss in losses.values()]).sum()
        found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    gradients = {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), found)
    }
    return {name: loss.detach() for name, loss in losses.items()}, gradients


def surrogate_loss(representations: Mapping[str, torch.Tensor], gradients: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A scalar whose gradient through `representations` is `gradients`.

    Args:
        representations (`Mapping`): name to tensor with a graph; rows that another piece makes are zero and constant.
            Shapes: any.
        gradients (`Mapping`): the gradient of each. Shapes: the same.

    Returns:
        `torch.Tensor`: Shape: ().
    """
    products = [(value * gradients[name].to(value.dtype)).sum() for name, value in representations.items()]
    return torch.stack(products).sum()
