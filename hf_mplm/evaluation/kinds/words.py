"""Rows of words to batches, for tasks that score one prediction a word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from .finetuning import Batch, Row


__all__ = ["gather_words", "pad_words"]


def pad_words(
    rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, columns: Sequence[str] = (), fill: int = -100
) -> Batch:
    """Pad rows to the longest of them, and their columns of one value a word to the most words.

    Args:
        rows (`Sequence[dict]`): Rows with `input_ids` and `positions`.
        tokenizer (`PreTrainedTokenizerBase`): For the padding id.
        columns (`Sequence[str]`, *optional*): Further columns with one integer a word.
        fill (`int`, *optional*, defaults to -100): What stands in those columns where a row has no word.

    Returns:
        `dict[str, Tensor]`: `input_ids` and `attention_mask` of shape (rows, length), `positions` and the columns of
        shape (rows, words). A position is -1 where there is no word.
    """
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    batch = {
        "input_ids": _pad([row["input_ids"] for row in rows], pad),
        "attention_mask": _pad([np.ones_like(row["input_ids"]) for row in rows], 0),
        "positions": _pad([row["positions"] for row in rows], -1),
    }
    for column in columns:
        batch[column] = _pad([row[column] for row in rows], fill)
    return batch


def gather_words(states: Tensor, positions: Tensor) -> Tensor:
    """Take the state of the first subword of each word.

    Args:
        states (`Tensor`): One vector a token. Shape: (batch, length, size).
        positions (`Tensor`): Where the words start, -1 where there is none. Shape: (batch, words).

    Returns:
        `Tensor`: Shape: (batch, words, size); what stands where there is no word means nothing.
    """
    index = positions.clamp(min=0).unsqueeze(-1).expand(-1, -1, states.shape[-1])
    return states.gather(1, index)


def _pad(rows: Sequence[np.ndarray], fill: int) -> Tensor:
    padded = np.full((len(rows), max(len(row) for row in rows)), fill, dtype=np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return torch.from_numpy(padded)
