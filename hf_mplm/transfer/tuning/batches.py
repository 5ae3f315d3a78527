"""Batches of masked text: which rows, and which of their tokens are masked, as a pure function of seed and step."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hf_mplm._lists import as_list
from hf_mplm.data.batches.collators import DataCollatorForMaskedLM
from hf_mplm.data.batches.columns import language_labels
from hf_mplm.data.batches.sampling import LanguageSampler, SampledDataset
from hf_mplm.data.store.token_store import TokenStore


__all__ = ["MaskedBatches"]

logger = logging.getLogger(__name__)


class MaskedBatches:
    """Batches of the text of one or several languages; batch t does not depend on any other.

    Languages are drawn in equal shares. No row comes again before all have come.

    Args:
        store (`TokenStore`): the text.
        languages (`Sequence[str]`): codes, of the store's.
        tokenizer (`PreTrainedTokenizerBase`): whose ids the store holds.
        num_batches (`int`): how many there are.
        batch_size (`int`): rows of a batch.
        max_length (`int`): tokens of a row; what a longer chunk has beyond it is cut, before the last token.
        mask_rate (`float`): share of the tokens that are masked.
        seed (`int`): of rows and masks.
        expects_passes (`float`, *optional*, defaults to 1.0): how often a row may come before a warning says so.

    Raises:
        ValueError: if the store has no text of a language.
    """

    def __init__(
        self,
        store: TokenStore,
        languages: Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
        *,
        num_batches: int,
        batch_size: int,
        max_length: int,
        mask_rate: float,
        seed: int,
        expects_passes: float = 1.0,
    ) -> None:
        languages = as_list(languages)
        self.rows = store.select(languages).train
        if not len(self.rows):
            raise ValueError(f"{store.path} has no text of {', '.join(languages)}; prepare a store that has")
        self.num_batches, self.batch_size, self.max_length = num_batches, batch_size, max_length
        self.collator = DataCollatorForMaskedLM(tokenizer, mask_rate=mask_rate, seed=seed, extra_keys=())
        sampler = LanguageSampler(language_labels(self.rows), alpha=0.0, seed=seed, num_draws=num_batches * batch_size)
        self.sampled = SampledDataset(self.rows, sampler)
        passes = num_batches * batch_size / len(self.rows)
        if math.ceil(passes) > expects_passes:
            logger.warning(
                "%s: %d rows of text for %d steps of %d, so that each comes %.1f times",
                "+".join(languages),
                len(self.rows),
                num_batches,
                batch_size,
                passes,
            )

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        """The batch of a step, counted from 0. Shapes: (batch, sequence)."""
        if not 0 <= step < self.num_batches:
            raise IndexError(f"batch {step} was asked for, but there are 0 to {self.num_batches - 1}")
        first = step * self.batch_size
        rows = self.sampled.__getitems__(range(first, first + self.batch_size))
        return self.collator([{**row, "input_ids": self._cut(row["input_ids"])} for row in rows])

    def on(self, device: torch.device, step: int) -> dict[str, Tensor]:
        """The batch of a step on a device."""
        return {key: value.to(device) for key, value in self[step].items()}

    def _cut(self, ids: Any) -> Any:
        if len(ids) <= self.max_length:
            return ids
        return np.concatenate([np.asarray(ids[: self.max_length - 1]), np.asarray(ids[-1:])])
