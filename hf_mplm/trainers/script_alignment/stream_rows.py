"""The texts of a batch of sentence pairs as the rows of one forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import PreTrainedModel

from hf_mplm._compat import TRANSFORMERS_5, segment_attention_mask
from hf_mplm.modeling.architectures import find_architecture
from hf_mplm.modeling.final_layer import is_recomputed
from hf_mplm.modeling.pooling import without_peft
from hf_mplm.modeling.segment_attention import SegmentAttention


__all__ = ["RowEncoding", "StreamRows", "segment_means", "stream_rows"]


@dataclass
class StreamRows:
    """Rows of tokens, each of which holds one text or several side by side.

    Args:
        input_ids (`torch.Tensor`): tokens. Shapes: (rows, width), as all that follow.
        labels (`torch.Tensor`): -100 where nothing is predicted.
        segments (`torch.Tensor`): number of the text, stream times batch plus row; -1 at padding.
        positions (`torch.Tensor`): place within the text.
        sentences (`torch.Tensor`): number of the sentence that a token is pooled into, -1 for none.
        words (`torch.Tensor`, *optional*): number of the word that it is pooled into, -1 for none.
        batch_size (`int`): sentence pairs.
        packed (`bool`): whether a row may hold several texts.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    segments: torch.Tensor
    positions: torch.Tensor
    sentences: torch.Tensor
    words: torch.Tensor | None
    batch_size: int
    packed: bool

    @property
    def streams(self) -> torch.Tensor:
        """Which stream each token is of, 0 at padding. Shapes: (rows, width)."""
        return self.segments.clamp(min=0) // self.batch_size

    def pieces(self, count: int) -> list[StreamRows]:
        """The same rows in at most `count` pieces; a text is never divided."""
        size = -(-len(self.input_ids) // count)
        pieces = []
        for start in range(0, len(self.input_ids), size):
            rows = slice(start, start + size)
            pieces.append(
                replace(
                    self,
                    input_ids=self.input_ids[rows],
                    labels=self.labels[rows],
                    segments=self.segments[rows],
                    positions=self.positions[rows],
                    sentences=self.sentences[rows],
                    words=None if self.words is None else self.words[rows],
                )
            )
        return pieces


def stream_rows(
    batch: Mapping[str, torch.Tensor], streams: Sequence[str], pad_token_id: int, without_labels: Sequence[str] = ()
) -> StreamRows:
    """Put the streams of a batch into rows: as `packed_segments` says, or each text into a row of its own.

    Args:
        batch (`Mapping`): what [`DataCollatorForTransliteration`] gave.
        streams (`Sequence[str]`): prefixes; the first two have `PREFIX_pool_mask`.
        pad_token_id (`int`): fills what is empty.
        without_labels (`Sequence[str]`, *optional*): streams whose tokens are not to be predicted.

    Returns:
        [`StreamRows`].
    """
    ids = [batch[f"{name}_input_ids"] for name in streams]
    batch_size, device = len(ids[0]), ids[0].device
    packed = "packed_segments" in batch
    if packed:
        segments, positions = batch["packed_segments"], batch["packed_positions"]
    else:
        widest = max(part.shape[1] for part in ids)
        positions = torch.arange(widest, device=device).expand(len(streams) * batch_size, widest)
        lengths = torch.cat([batch[f"{name}_attention_mask"].sum(1) for name in streams])
        numbers = torch.arange(len(lengths), device=device)[:, None].expand_as(positions)
        segments = numbers.masked_fill(positions >= lengths[:, None], -1)
    widths = torch.tensor([part.shape[1] for part in ids], device=device)
    starts = torch.cumsum(widths * batch_size, 0) - widths * batch_size
    empty = segments < 0
    texts = segments.clamp(min=0)
    stream, row = texts // batch_size, texts % batch_size
    places = (starts[stream] + row * widths[stream] + positions).masked_fill(empty, 0)

    def arrange(parts: Sequence[torch.Tensor], fill: int) -> torch.Tensor:
        return torch.cat([part.flatten() for part in parts])[places].masked_fill(empty, fill)

    labels = [
        torch.full_like(batch[f"{name}_labels"], -100) if name in without_labels else batch[f"{name}_labels"]
        for name in streams
    ]
    # TLM is a text of its own, and is not pooled.
    nothing = [torch.zeros_like(part) for part in ids[2:]]
    pooled = arrange([batch[f"{name}_pool_mask"] for name in streams[:2]] + nothing, 0)
    words = None
    if "word_labels" in batch:
        count = len(batch["word_labels"])
        sides = [batch["source_words"], batch["romanized_words"]]
        sides[1] = sides[1].where(sides[1] < 0, sides[1] + count)
        words = arrange(sides + [part - 1 for part in nothing], -1)
    return StreamRows(
        input_ids=arrange(ids, pad_token_id),
        labels=arrange(labels, -100),
        segments=segments,
        positions=positions,
        sentences=texts.masked_fill(pooled == 0, -1),
        words=words,
        batch_size=batch_size,
        packed=packed,
    )


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

    def __call__(self, rows: StreamRows) -> dict[str, Any]:
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

    def attention(self, rows: StreamRows) -> AbstractContextManager[Any]:
        """What to call the encoder in: on a CPU, attention over packed rows goes text by text."""
        by_text = rows.packed and rows.segments.device.type == "cpu" and self.implementation == "sdpa"
        if not by_text or self._has_local_layers or is_recomputed(self._model):
            return nullcontext()
        return SegmentAttention(rows.segments)
