"""Attention within the texts of packed rows, computed text by text instead of for every two places of a row."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .dropout_attention import AttentionCall, attend, left_to_others


__all__ = ["SegmentAttention", "SegmentLayout", "segment_layout"]

# Texts of a group are at least this share as long as its longest. Nearer to 1 there is less padding, in more groups,
# each of which costs operations of its own.
_ALIKE = 0.8


@dataclass(frozen=True)
class SegmentLayout:
    """Where the texts of packed rows are, in groups of similar length.

    Args:
        groups (`tuple[tuple[int, int], ...]`): number of texts and length of the longest, for each group.
        places (`torch.Tensor`): the place of each token of the groups in the flattened rows; a text's first token
            stands in for its padding. Shapes: (tokens and padding of all groups,).
        is_padding (`torch.Tensor`): true for padding. Shapes: those of `places`.
        slots (`torch.Tensor`): for each place of the rows where its token is in `places`; 0 where the rows are empty.
            Shapes: (rows * width,).
        is_empty (`torch.Tensor`): true where the rows are empty. Shapes: those of `slots`.
    """

    groups: tuple[tuple[int, int], ...]
    places: torch.Tensor
    is_padding: torch.Tensor
    slots: torch.Tensor
    is_empty: torch.Tensor


def segment_layout(segments: torch.Tensor) -> SegmentLayout:
    """Group the texts of packed rows by length.

    Args:
        segments (`torch.Tensor`): number of the text that each place holds, -1 where it is empty; a text stands in one
            row, in one piece. Shapes: (rows, width).

    Returns:
        [`SegmentLayout`].
    """
    flat = segments.flatten()
    # Texts as they come: where one begins, and how long it is.
    change = torch.ones_like(flat, dtype=torch.bool)
    change[1:] = flat[1:] != flat[:-1]
    change[:: segments.shape[1]] = True
    starts = change.nonzero().squeeze(-1)
    lengths = torch.diff(starts, append=starts.new_tensor([len(flat)]))
    real = flat[starts] >= 0
    lengths, order = lengths[real].sort(descending=True, stable=True)
    starts = starts[real][order]
    groups = _groups(lengths.tolist())
    widths = torch.repeat_interleave(
        torch.tensor([longest for _, longest in groups], dtype=torch.int64, device=flat.device),
        torch.tensor([count for count, _ in groups], dtype=torch.int64, device=flat.device),
    )
    text = torch.repeat_interleave(torch.arange(len(widths), device=flat.device), widths)
    within = torch.arange(len(text), device=flat.device) - (widths.cumsum(0) - widths)[text]
    is_padding = within >= lengths[text]
    places = starts[text] + within.masked_fill(is_padding, 0)
    slots = torch.zeros_like(flat)
    slots[places[~is_padding]] = torch.arange(len(text), device=flat.device)[~is_padding]
    return SegmentLayout(tuple(groups), places, is_padding, slots, flat < 0)


def _groups(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Number of texts and longest length of each group, of lengths in falling order."""
    groups: list[tuple[int, int]] = []
    for length in lengths:
        if groups and length >= _ALIKE * groups[-1][1]:
            groups[-1] = (groups[-1][0] + 1, groups[-1][1])
        else:
            groups.append((1, length))
    return groups


class SegmentAttention(TorchFunctionMode):
    """Inside, attention over packed rows is computed text by text, which is the same with less work.

    A row of several texts and a mask that lets each see itself alone asks for width x width scores, most of which are
    masked. On a CPU all of them are computed and kept, and under dropout each is drawn a random number. Here texts of
    similar length make a batch of their own. What comes out at the places of texts is equal; at empty places it is 0.

    It stands between `functional.scaled_dot_product_attention` and those who call it, so that the architecture's own
    code runs, and calls that it does not recognise are left as they are. The mask has to be given all the same, and
    must say what `segments` says: it is not looked at.

    ```python
    with SegmentAttention(segments):
        model(input_ids, attention_mask=mask_of(segments), position_ids=positions)
    ```

    Args:
        segments (`torch.Tensor`): number of the text that each place holds, -1 where it is empty. Shapes: (rows,
            width).
    """

    def __init__(self, segments: torch.Tensor) -> None:
        super().__init__()
        self._rows = tuple(segments.shape)
        self._layout = segment_layout(segments)
        masks = torch.split(~self._layout.is_padding, [count * longest for count, longest in self._layout.groups])
        self._masks = [
            None if bool(mask.all()) else mask.view(count, 1, 1, longest)
            for mask, (count, longest) in zip(masks, self._layout.groups)
        ]

    def __enter__(self) -> Any:
        # Of the whole rows, which the context of a training step inside this one sees first, nothing is computed.
        self._left = ExitStack()
        self._left.enter_context(left_to_others())
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        self._left.close()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See the class."""
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            call = AttentionCall(*args, **kwargs)
            if self._recognises(call):
                return self._attend(call)
        return func(*args, **kwargs)

    def _recognises(self, call: AttentionCall) -> bool:
        shape = call.query.shape
        of_rows = len(shape) == 4 and (shape[0], shape[2]) == self._rows
        alike = shape == call.key.shape == call.value.shape
        plain = call.attn_mask is not None and not call.is_causal and not call.enable_gqa
        return of_rows and alike and plain and bool(self._layout.groups)

    def _attend(self, call: AttentionCall) -> torch.Tensor:
        rows, heads, width, size = call.query.shape
        layout = self._layout
        lengths = [count * longest for count, longest in layout.groups]
        # (rows, heads, width, size) is a view of (rows, width, heads * size): nothing is copied but by `places`.
        parts = [
            _Rearranged.apply(
                states.transpose(1, 2).reshape(rows * width, heads * size),
                layout.places,
                None,
                layout.slots,
                layout.is_empty,
            ).split(lengths)
            for states in (call.query, call.key, call.value)
        ]
        found = []
        for (count, longest), mask, *group in zip(layout.groups, self._masks, *parts):
            queries, keys, values = (part.view(count, longest, heads, size).transpose(1, 2) for part in group)
            attended = attend(AttentionCall(queries, keys, values, mask, call.dropout_p, scale=call.scale))
            found.append(attended.transpose(1, 2).reshape(count * longest, heads * size))
        whole = _Rearranged.apply(torch.cat(found), layout.slots, layout.is_empty, layout.places, layout.is_padding)
        return whole.view(rows, width, heads, size).transpose(1, 2)


class _Rearranged(torch.autograd.Function):
    """Rows by index, and gradients back by the inverse index: an index_add would take them one by one."""

    @staticmethod
    def forward(ctx, states, index, is_nothing, inverse, is_nothing_back):
        ctx.save_for_backward(inverse, is_nothing_back)
        return _select(states, index, is_nothing)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        inverse, is_nothing = ctx.saved_tensors
        return _select(gradient, inverse, is_nothing), None, None, None, None


def _select(states: torch.Tensor, index: torch.Tensor, is_nothing: torch.Tensor | None) -> torch.Tensor:
    chosen = states.index_select(0, index)
    return chosen if is_nothing is None else chosen.masked_fill_(is_nothing[:, None], 0)
