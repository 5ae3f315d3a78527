"""Text to be masked, and the words that are aligned beside it, as one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from hf_mplm.data.batches.collators import DataCollatorForMaskedLM
from hf_mplm.data.batches.row_packing import pack_rows

from .words import EncodedWords


__all__ = ["DataCollatorWithWords"]


@dataclass
class DataCollatorWithWords(DataCollatorForMaskedLM):
    """A batch of [`DataCollatorForMaskedLM`] with its share of the step's words.

    `words_per_step` words go with `draws_per_step` draws of text: text draws a to b - 1 bring the words of draws
    a * words_per_step / draws_per_step to b * words_per_step / draws_per_step - 1, however a step is cut.

    Beside the text's keys the batch holds `word_input_ids`, `word_attention_mask` and `word_pool_mask`, Shapes:
    (words, longest word), `word_targets`, Shapes: (words, dimensions), and, where words or words and text are packed,
    `packed_segments`, which number the batch's texts first where text is packed and then the words, `packed_positions`
    within them, and `packed_places`, indices into the flattened padded ids of texts and words, -1 where a row is
    empty, Shapes: (rows, width). Held-out batches have text alone.

    Args:
        words (`EncodedWords`, *optional*): the words.
        words_per_step (`int`, *optional*): words of an optimizer step.
        draws_per_step (`int`, *optional*): draws of text of an optimizer step.
        pack (`str`, *optional*): `"together"` lays words beside text, `"apart"` beside each other; else each word has
            a row of its own.
        widest (`int`, *optional*): the longest row that the model takes.
    """

    words: EncodedWords | None = None
    words_per_step: int = 0
    draws_per_step: int = 1
    pack: Literal["together", "apart"] | None = None
    widest: int | None = None

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        batch = super().__call__(features)
        if self.words is None or self.fixed:
            return batch
        texts = batch["attention_mask"].numpy() if self.pack == "together" else None
        return {**batch, **self.words_of(int(features[0]["draw"]), len(features), texts)}

    def words_of(self, draw: int, count: int, texts: np.ndarray | None = None) -> dict[str, torch.Tensor]:
        """The words that go with some draws of text.

        Args:
            draw (`int`): the first draw of text.
            count (`int`): draws of text.
            texts (`np.ndarray`, *optional*): attention mask of the texts that words are packed with. Shape: (batch,
                sequence).
        """
        assert self.words is not None
        start, stop = (number * self.words_per_step // self.draws_per_step for number in (draw, draw + count))
        drawn = self.words.draws(start, stop)
        lengths = np.array([len(word) for word in drawn.tokens], dtype=np.int64)
        attended = np.arange(lengths.max(initial=1)) < lengths[:, None]
        batch: dict[str, np.ndarray] = {
            "word_input_ids": _padded(attended, drawn.tokens, self.tokenizer.pad_token_id),
            "word_attention_mask": attended.astype(np.int64),
            "word_pool_mask": _padded(attended, drawn.pooled, 0),
            "word_targets": drawn.targets,
        }
        if self.pack is not None:
            masks = [attended] if texts is None else [texts.astype(bool), attended]
            every = np.concatenate([mask.sum(1) for mask in masks])
            packed = pack_rows(every, widest=self.widest, narrowest=_WIDTH if texts is None else 1)
            # Where each token stands in the padded batches, one after the other.
            firsts = np.concatenate([[0], np.cumsum(every)[:-1]])[packed.segments.clip(0)] + packed.positions
            tokens = np.flatnonzero(np.concatenate([mask.ravel() for mask in masks]))
            batch |= {
                "packed_segments": packed.segments,
                "packed_positions": packed.positions,
                "packed_places": np.where(packed.segments < 0, -1, tokens[firsts]),
            }
        return {name: torch.from_numpy(value) for name, value in batch.items()}


# Tokens of a row of words without text. Wider rows compute more attention, narrower ones leave more places empty.
_WIDTH = 64


def _padded(attended: np.ndarray, parts: Sequence[np.ndarray], fill: int) -> np.ndarray:
    padded = np.full(attended.shape, fill, dtype=np.int64)
    padded[attended] = np.concatenate(parts)
    return padded
