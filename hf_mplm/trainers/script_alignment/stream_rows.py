"""The texts of a batch of sentence pairs as the rows of one forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from ..masked_lm.token_rows import TokenRows


__all__ = ["StreamRows", "stream_rows"]


@dataclass
class StreamRows(TokenRows):
    """The rows of the streams of sentence pairs; a text's number is its stream times the batch plus its row.

    Args:
        sentences (`torch.Tensor`): number of the sentence that a token is pooled into, -1 for none. Shapes: (rows,
            width), as of the words.
        words (`torch.Tensor`, *optional*): number of the word that it is pooled into, -1 for none.
        batch_size (`int`): sentence pairs.
    """

    sentences: torch.Tensor
    words: torch.Tensor | None
    batch_size: int

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
