"""Sums of rows that belong together, in a fixed order of addition, on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


__all__ = ["sum_by_group", "sum_of_ranges"]


def sum_by_group(
    values: Tensor, groups: Tensor, *, index: Tensor | None = None, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Add up the rows of each group: what `index_add_` does, touching no other row and without atomic additions.

    Args:
        values (`Tensor`): Shape: (rows, size).
        groups (`Tensor`): the group of each member. Shape: (members,), int64.
        index (`Tensor`, *optional*): the row of each member; by default the members are the rows. Shape: (members,).
        weights (`Tensor`, *optional*): what each member's row is multiplied by. Shape: (members,).

    Returns:
        `tuple[Tensor, Tensor]`: the groups that have members, sorted, and their sums. Shapes: (groups,),
        (groups, size).
    """
    ordered, order = torch.sort(groups, stable=True)
    unique, counts = torch.unique_consecutive(ordered, return_counts=True)
    offsets = counts.cumsum(0) - counts
    members = order if index is None else index[order]
    scale = None if weights is None else weights[order]
    return unique, F.embedding_bag(members, values, offsets, mode="sum", per_sample_weights=scale)


def sum_of_ranges(values: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    """Add up runs of neighbouring rows, which may overlap.

    Args:
        values (`Tensor`): Shape: (rows, size).
        starts (`Tensor`): the first row of each run. Shape: (runs,), int64.
        lengths (`Tensor`): rows of each. Shape: (runs,), int64.

    Returns:
        `Tensor`: Shape: (runs, size).
    """
    offsets = lengths.cumsum(0) - lengths
    total = int(lengths.sum())
    rows = torch.repeat_interleave(starts - offsets, lengths, output_size=total)
    rows = rows + torch.arange(total, device=values.device)
    return F.embedding_bag(rows, values, offsets, mode="sum")
