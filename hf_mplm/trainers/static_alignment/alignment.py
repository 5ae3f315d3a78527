"""What compares the words of a step with their vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from hf_mplm.losses.canonical_correlation import canonical_correlation_loss
from hf_mplm.losses.gathering import gather_rows, world_size
from hf_mplm.losses.subspace_alignment import subspace_alignment_loss


if TYPE_CHECKING:
    from .arguments import StaticAlignmentArguments

__all__ = ["StaticAlignment"]


class StaticAlignment:
    """The alignment term of an optimizer step, as its arguments say.

    Args:
        args (`StaticAlignmentArguments`): the loss and its settings.
        micro_batches (`int`): micro-batches of a step on each process.

    Attributes:
        of_whole_step (`bool`): whether the loss needs all words of the step at once; otherwise it is a mean over
            parts of them.
        target_factor (`float`): what `mse` multiplies the vectors by.
    """

    def __init__(self, args: StaticAlignmentArguments, micro_batches: int) -> None:
        self._args = args
        self._micro_batches = micro_batches
        share = args.words_per_step // (micro_batches * args.world_size)
        self.of_whole_step = args.loss == "dcca" or (args.loss == "subspace" and share % args.subspace_batch != 0)
        self.target_factor = 1.0

    def __call__(self, states: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weighted loss by its name, and, of `dcca`, `dcca_chance`, the same of pairs that do not belong together.

        Args:
            states (`torch.Tensor`): pooled words of this process: of its whole step where `of_whole_step`, otherwise
                of a micro-batch. Shapes: (words, hidden).
            targets (`torch.Tensor`): their vectors. Shapes: (words, dimensions).

        Returns:
            `dict[str, torch.Tensor]`: values of which the mean over processes is that of the step, where
            `of_whole_step`; otherwise of which it is after summing over micro-batches. Shapes: ().
        """
        args = self._args
        states = states.to(torch.promote_types(states.dtype, torch.float32))
        if self.of_whole_step:
            states, targets = self._in_order(states), self._in_order(targets)
        if args.loss == "dcca":
            found = canonical_correlation_loss(states, targets, ridge=args.ridge)
            return {"dcca": found.loss * args.align_weight, "dcca_chance": found.chance * args.align_weight}
        if args.loss == "subspace":
            loss = subspace_alignment_loss(states, targets, batch_size=args.subspace_batch)
        else:
            loss = functional.mse_loss(states, targets * self.target_factor)
        parts = 1 if self.of_whole_step else self._micro_batches
        return {args.loss: loss * (args.align_weight / parts)}

    def _in_order(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows of all processes in the order of their draws, which processes take in turn, a micro-batch each."""
        everyone = gather_rows(rows.contiguous())[0]
        return everyone.unflatten(0, (world_size(), self._micro_batches, -1)).transpose(0, 1).flatten(0, 2)
