from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hf_mplm._lists import as_list

from .held_out import content_number
from .masking import FIXED_STREAM, mask_tokens
from .randomness import check_seed
from .schedules import Schedule, ScheduleValue


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


__all__ = ["DataCollatorForMaskedLM"]

logger = logging.getLogger(__name__)


@dataclass
class DataCollatorForMaskedLM:
    """Pad rows of tokens into a batch and mask them, each by its own draw number.

    A feature is `{"input_ids": [...], "language": 3, "draw": 17}`, as [`SampledDataset`] gives it; other keys are
    ignored. Masks are a pure function of (seed, draw, stream), so they are the same whatever the batch, the padding,
    the process or the number of worker processes, and differ from draw to draw.
    (`DataCollatorForLanguageModeling(seed=...)` starts its generator anew in each worker process and so repeats its
    masks every epoch.)

    Features without `draw` (a plain dataset of your own) get masks by a hash of their tokens: the same at every epoch.
    That is right for a held-out loss, and a warning says so in case it was meant for training. Use [`for_evaluation`]
    for held-out sets.

    The batch holds `input_ids`, `attention_mask` and `labels` (-100 where nothing is predicted), each of shape
    `(batch, sequence)`; `language_ids` and `script_ids` of shape `(batch,)` where their tables are given; and the
    `extra_keys` that the features have, of shape `(batch,)`. All are int64. Rows are never cut.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): says which ids pad, mask and are special, how many there are, and which
            side is padded.
        mask_rate (`float`, `str`, `dict`, `list` or `Schedule`, *optional*, defaults to 0.15): probability of a token
            to be chosen.
        seed (`int`, *optional*, defaults to 0): 0 to 2**64 - 1.
        num_draws (`int`, *optional*): draws in the whole training, which a schedule over fractions of training needs.
        stream (`int`, *optional*, defaults to 0): which of several texts of the same draw this is, below 2**32.
        pad_to_multiple_of (`int`, *optional*): round the padded length up to a multiple of this.
        language_ids (`list[int]`, *optional*): the model's language id for each value of `language`; -1 for none.
        script_ids (`list[int]`, *optional*): the model's script id for each value of `language`; -1 for none.
        mask_share (`float`, *optional*, defaults to 0.8): share of the chosen tokens that become the mask token.
        random_share (`float`, *optional*, defaults to 0.1): share of the chosen tokens that become a random token.
        extra_keys (`tuple[str, ...]`, *optional*, defaults to `("draw", "language")`): keys to hand on; `()` for a
            model called directly, which would not know them.
        fixed (`bool`, *optional*, defaults to `False`): evaluation; see [`for_evaluation`].

    Raises:
        ValueError: when an argument is impossible, or the tokenizer has no mask token or no padding token.
    """

    tokenizer: PreTrainedTokenizerBase
    _: KW_ONLY
    mask_rate: ScheduleValue = 0.15
    seed: int = 0
    num_draws: int | None = None
    stream: int = 0
    pad_to_multiple_of: int | None = None
    language_ids: Sequence[int] | None = None
    script_ids: Sequence[int] | None = None
    mask_share: float = 0.8
    random_share: float = 0.1
    extra_keys: tuple[str, ...] = ("draw", "language")
    fixed: bool = False

    def __post_init__(self) -> None:
        self.extra_keys = tuple(as_list(self.extra_keys))
        for name in ("mask", "pad"):
            if getattr(self.tokenizer, f"{name}_token_id") is None:
                raise ValueError(
                    f"the tokenizer {type(self.tokenizer).__name__} has no {name} token, which this collator needs: "
                    f'tokenizer.add_special_tokens({{"{name}_token": "<{name}>"}}), then resize the embeddings'
                )
        self.seed = check_seed(self.seed)
        self._schedule = Schedule.parse(self.mask_rate, name="mask_rate", minimum=0.0, maximum=1.0)
        if self._schedule.needs_num_draws and not self.num_draws and not self.fixed:
            raise ValueError(f"mask_rate {self._schedule} is over fractions of training: pass num_draws=")
        if not 0 <= self.stream < FIXED_STREAM:
            raise ValueError(f"stream is {self.stream}, but it must be from 0 to {FIXED_STREAM - 1}")
        if self.pad_to_multiple_of is not None and self.pad_to_multiple_of < 1:
            raise ValueError(f"pad_to_multiple_of is {self.pad_to_multiple_of}: give 8, or None")
        self._special_ids = np.array(self.tokenizer.all_special_ids, dtype=np.int64)
        self._vocab_size = len(self.tokenizer)
        self._tables = {
            name: np.asarray(table, dtype=np.int64)
            for name, table in (("language_ids", self.language_ids), ("script_ids", self.script_ids))
            if table is not None
        }
        self._warned: set[str] = set()

    def for_evaluation(self, mask_rate: float | None = None) -> DataCollatorForMaskedLM:
        """The collator for held-out rows, whose masks never change, so that two evaluations of a loss can be compared.

        Masks come from a stream of their own, by `draw` (wrap the rows in [`HeldOutDataset`]) or, without it, by a
        hash of the tokens, which is the same for a row's first draw.

        Args:
            mask_rate (`float`, *optional*): constant mask rate; by default the training's, at its start where it is
                scheduled.
        """
        return replace(self, mask_rate=self._schedule.start if mask_rate is None else mask_rate, fixed=True)

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        if not features or "input_ids" not in features[0]:
            given = sorted(features[0]) if features else []
            raise ValueError(
                f"features need input_ids, but the first of {len(features)} has {given}; "
                "with a Trainer, set remove_unused_columns=False"
            )
        rows = [np.asarray(feature["input_ids"], dtype=np.int64) for feature in features]
        input_ids, attention_mask = self._pad(rows)
        draws, rate, stream = self._draws(features, rows)
        masked = mask_tokens(
            input_ids,
            draw=draws,
            seed=self.seed,
            stream=stream,
            mask_rate=rate,
            attention_mask=attention_mask,
            mask_token_id=self.tokenizer.mask_token_id,
            vocab_size=self._vocab_size,
            special_ids=self._special_ids,
            mask_share=self.mask_share,
            random_share=self.random_share,
        )
        if not masked.num_masked.any():
            self._warn_once(
                "nothing masked",
                f"a batch of {attention_mask.sum()} tokens has none to predict: its loss is 0. In short batches this "
                "is chance; if it happens often, use larger batches or a higher mask_rate",
            )
        batch = {"input_ids": masked.input_ids, "attention_mask": attention_mask, "labels": masked.labels}
        for name, table in self._tables.items():
            batch[name] = table[self._languages(features, len(table), name)]
        for key in self.extra_keys:
            if key in features[0]:
                batch[key] = np.array([int(feature[key]) for feature in features], dtype=np.int64)
        return {key: torch.from_numpy(value) for key, value in batch.items()}

    def _pad(self, rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        lengths = np.array([len(row) for row in rows])
        if not lengths.all():
            raise ValueError(f"feature {int(lengths.argmin())} of the batch has no tokens: drop empty rows")
        width = int(lengths.max())
        if self.pad_to_multiple_of:
            width = -(-width // self.pad_to_multiple_of) * self.pad_to_multiple_of
        places = np.arange(width)
        if self.tokenizer.padding_side == "left":
            places = places[::-1]
        attended = places < lengths[:, None]
        input_ids = np.full(attended.shape, self.tokenizer.pad_token_id, dtype=np.int64)
        input_ids[attended] = np.concatenate(rows)
        return input_ids, attended.astype(np.int64)

    def _draws(
        self, features: Sequence[Mapping[str, Any]], rows: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray | float, int]:
        """What the masks depend on: the number of each row, its mask rate, and the stream."""
        known = ["draw" in feature for feature in features]
        if all(known):
            draws = np.array([int(feature["draw"]) for feature in features], dtype=np.uint64)
            if not self.fixed:
                return draws, self._schedule.values(draws, self.num_draws), self.stream
        elif any(known):
            raise ValueError(
                "some features of the batch have a draw and some have none: wrap all rows in SampledDataset"
            )
        else:
            if not self.fixed:
                self._warn_once(
                    "no draw",
                    "features have no `draw`, so the masks of a row are the same whenever it comes. For training, "
                    "wrap the rows: SampledDataset(dataset, sampler). For evaluation this is right: use "
                    "collator.for_evaluation()",
                )
            draws = np.array([content_number(row) for row in rows], dtype=np.uint64)
        return draws, self._schedule.start, self.stream + FIXED_STREAM

    def _languages(self, features: Sequence[Mapping[str, Any]], size: int, table: str) -> np.ndarray:
        if any("language" not in feature for feature in features):
            raise ValueError(
                f"{table} was given, so features need `language`; the first has {sorted(features[0])}. "
                "With a Trainer, set remove_unused_columns=False"
            )
        languages = np.array([int(feature["language"]) for feature in features])
        if languages.min() < 0 or languages.max() >= size:
            wrong = languages[(languages < 0) | (languages >= size)][0]
            raise ValueError(
                f"a feature has language {wrong}, but {table} has {size} entries: "
                "give one for each of the store's languages, -1 for none"
            )
        return languages

    def _warn_once(self, key: str, message: str) -> None:
        if key not in self._warned:
            self._warned.add(key)
            logger.warning(message)
