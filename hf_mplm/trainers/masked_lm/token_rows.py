"""Rows of tokens that hold one text or several side by side, and how an encoder is told which belong together."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from hf_mplm._compat import TRANSFORMERS_5, segment_attention_mask
from hf_mplm.modeling.architectures import find_architecture
from hf_mplm.modeling.final_layer import is_recomputed
from hf_mplm.modeling.pooling import without_peft
from hf_mplm.modeling.segment_attention import SegmentAttention


__all__ = ["RowEncoding", "TokenRows", "longest_text", "segment_means"]


@dataclass
class TokenRows:
    """Rows of tokens, each of which holds one text or several side by side.

    Args:
        input_ids (`torch.Tensor`): tokens. Shapes: (rows, width), as all that follow.
        labels (`torch.Tensor`): -100 where nothing is predicted.
        segments (`torch.Tensor`): number of the text; -1 at padding.
        positions (`torch.Tensor`): place within the text.
        packed (`bool`): whether a row may hold several texts.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    segments: torch.Tensor
    positions: torch.Tensor
    packed: bool


def segment_means(states: torch.Tensor, numbers: torch.Tensor, count: int) -> torch.Tensor:
    """The mean of the states of each segment; zeros for one that has none here.

    Args:
        states (`torch.Tensor`): Shapes: (rows, width, hidden).
        numbers (`torch.Tensor`): the segment that each state counts for, -1 for none. Shapes: (rows, width).
        count (`int`): segments.

    Returns:
        `torch.Tensor`: Shapes: (count, hidden), in float32 at least.
    """
    precise = torch.promote_types(states.dtype, torch.float32)
    # What counts for none is added to one more segment, which is left off.
    index = numbers.where(numbers >= 0, count).flatten()
    sums = torch.zeros((count + 1, states.shape[-1]), dtype=precise, device=states.device)
    sums = sums.index_add(0, index, states.flatten(0, 1).to(precise))[:count]
    sizes = torch.zeros(count + 1, dtype=precise, device=states.device)
    sizes = sizes.index_add(0, index, torch.ones_like(index, dtype=precise))[:count]
    return sums / sizes.clamp(min=1)[:, None]


class RowEncoding:
    """How an architecture is told which tokens of a row belong together.

    Args:
        model (`transformers.PreTrainedModel`): the model, not wrapped.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = without_peft(model)
        self.config: Any = model.config
        self.implementation: str = model.config._attn_implementation or "eager"
        known = find_architecture(model.config.model_type)
        self._shift = self.config.pad_token_id + 1 if known is not None and known.counts_from_padding else 0
        self._has_local_layers = known is not None and known.has_local_layers
        # The attention of every known architecture takes a mask for every two tokens; that of local and of global
        # layers needs two, which 4.57 does not take. Flash attention takes none, and leaves padding out by itself.
        takes_masks = known is not None and (TRANSFORMERS_5 or not known.has_local_layers)
        self.packs = takes_masks and self.implementation in ("sdpa", "eager")

    def __call__(self, rows: TokenRows) -> dict[str, Any]:
        """The encoder's keyword arguments: `input_ids`, `attention_mask`, and `position_ids` for packed rows."""
        if not rows.packed:
            return {"input_ids": rows.input_ids, "attention_mask": (rows.segments >= 0).long()}
        # Padding sees padding, so that no softmax is empty.
        together = rows.segments[:, :, None] == rows.segments[:, None, :]
        positions = rows.positions + self._shift
        mask: Any = segment_attention_mask(together, self.implementation, self._model.dtype)
        if self._has_local_layers:
            near = (positions[:, :, None] - positions[:, None, :]).abs() <= self.config.sliding_window
            local = segment_attention_mask(together & near, self.implementation, self._model.dtype)
            mask = {"full_attention": mask, "sliding_attention": local}
        return {"input_ids": rows.input_ids, "attention_mask": mask, "position_ids": positions}

    def attention(self, rows: TokenRows) -> AbstractContextManager[Any]:
        """What to call the encoder in: on a CPU, attention over packed rows goes text by text."""
        by_text = rows.packed and rows.segments.device.type == "cpu" and self.implementation == "sdpa"
        if not by_text or self._has_local_layers or is_recomputed(self._model):
            return nullcontext()
        return SegmentAttention(rows.segments)


def longest_text(model: PreTrainedModel) -> int:
    """How many tokens a text may have, special tokens included, by the positions that a model has."""
    config: Any = model.config
    behind_padding = config.pad_token_id + 1 if "roberta" in config.model_type else 0
    return int(config.max_position_embeddings - behind_padding)
