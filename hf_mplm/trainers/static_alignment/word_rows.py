"""Words, with text or by themselves, as the rows of one forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ..masked_lm.token_rows import TokenRows


__all__ = ["WordRows", "word_rows"]


@dataclass
class WordRows(TokenRows):
    """Rows that hold words, and text where it is packed with them.

    Args:
        words (`torch.Tensor`): number of the word that a token is pooled into, -1 for none. Shapes: (rows, width).
        num_texts (`int`): texts, which the segments number before the words.
        num_words (`int`): words.
    """

    words: torch.Tensor
    num_texts: int
    num_words: int


def word_rows(batch: Mapping[str, torch.Tensor], pad_token_id: int, with_text: bool) -> WordRows:
    """Put the words of a batch into rows, as its `packed_segments` say, or each into one of its own.

    Args:
        batch (`Mapping`): what [`DataCollatorWithWords`] gave.
        pad_token_id (`int`): fills what is empty.
        with_text (`bool`): whether text was packed with the words.
    """
    ids, mask = batch["word_input_ids"], batch["word_pool_mask"]
    num_texts = len(batch["input_ids"]) if with_text else 0
    if "packed_segments" in batch:
        segments, places = batch["packed_segments"], batch["packed_places"].clamp(min=0)
        positions = batch["packed_positions"]
    else:
        places = torch.arange(ids.numel(), device=ids.device).view(ids.shape)
        segments = (places // ids.shape[1]).masked_fill(batch["word_attention_mask"] == 0, -1)
        positions = places % ids.shape[1]
    empty = segments < 0

    def arrange(of_text: torch.Tensor | None, of_words: torch.Tensor, fill: int) -> torch.Tensor:
        parts = [of_words.flatten()] if of_text is None or not with_text else [of_text.flatten(), of_words.flatten()]
        return torch.cat(parts)[places].masked_fill(empty, fill)

    text, labels = batch.get("input_ids"), batch.get("labels")
    pooled = arrange(None if text is None else torch.zeros_like(text), mask, 0)
    return WordRows(
        input_ids=arrange(text, ids, pad_token_id),
        labels=arrange(labels, torch.full_like(ids, -100), -100),
        segments=segments,
        positions=positions,
        packed="packed_segments" in batch,
        words=(segments - num_texts).masked_fill(pooled == 0, -1),
        num_texts=num_texts,
        num_words=len(ids),
    )
