from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hf_mplm._lists import as_list

from .collators import DataCollatorForMaskedLM
from .held_out import content_number
from .randomness import check_seed, random_words
from .row_packing import pack_rows
from .schedules import ScheduleValue
from .word_boundaries import number_words, word_starts


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


__all__ = ["STREAMS", "DataCollatorForTransliteration", "join_pair", "shorten_pair"]

STREAMS = ("source", "romanized", "tlm")
"""Prefixes of the three texts of a pair; their places are the streams of their masks."""

# Which of the two texts comes first in TLM. `draws` has the streams from 2**31 on.
_ORDER = 2**31 + 16
_LONGEST = 512


def shorten_pair(first: int, second: int, room: int) -> tuple[int, int]:
    """How long two texts may stay together: the longer one loses tokens until both are equal, then each in turn.

    Args:
        first (`int`): length of one text.
        second (`int`): length of the other.
        room (`int`): what both may have together.

    Returns:
        `tuple[int, int]`: the lengths to keep.
    """
    if first + second <= room:
        return first, second
    if first < second:
        shorter, longer = shorten_pair(second, first, room)
        return longer, shorter
    kept = min(second, room // 2)
    return room - kept, kept


def join_pair(first: np.ndarray, second: np.ndarray, max_length: int) -> np.ndarray:
    """`<s> first </s> second </s>`, as the published code joins them, at most `max_length` tokens long.

    One `</s>` stands between, where XLM-R's own pairs have two. Where the pair is too long, the longer text is cut
    first and both `</s>` stay; the published code cuts the end off, and the last `</s>` with it.

    Args:
        first (`np.ndarray`): a sentence in its special tokens. Shape: (sequence,).
        second (`np.ndarray`): the other. Shape: (sequence,).
        max_length (`int`): tokens at most, 3 or more.

    Returns:
        `np.ndarray`: Shape: (at most max_length,).
    """
    n_first, n_second = shorten_pair(len(first) - 2, len(second) - 2, max_length - 3)
    return np.concatenate(
        [first[: n_first + 1], first[-1:], second[1 : n_second + 1], second[-1:]],
    )


@dataclass
class DataCollatorForTransliteration:
    """Sentence pairs to a batch of three texts: the original, its romanisation, and both joined (TLM).

    A feature is a row of a pair store as [`SampledDataset`] gives it: `input_ids` and `romanized_input_ids`, each a
    sentence between its special tokens, `language` and `draw`. The three are masked independently, and which comes
    first in TLM is drawn for each pair; all of it is a pure function of (seed, draw).

    The batch holds, for each prefix of [`STREAMS`], `PREFIX_input_ids`, `PREFIX_attention_mask` and `PREFIX_labels`
    (-100 where nothing is predicted), Shapes: (batch, sequence), padded on the right; `source_pool_mask` and
    `romanized_pool_mask`, 1 at the tokens of the sentence (masked and unknown ones included, `<s>` and `</s>` not), of
    the same shapes; `cut`, how many of the pair's texts were cut (preparing's
    cuts are one), and the `extra_keys`, Shapes: (batch,). With `pack`,
    `packed_segments` and `packed_positions` say how all texts stand side by side without padding: text number (stream
    times batch, plus row; -1 for padding) and place within it, Shapes: (rows, width). With `align_words`,
    `source_words` and `romanized_words` number the words of the batch, the same word alike on both sides and -1
    elsewhere, and `word_labels` names the row of each word, among whose words it is to be found, Shapes: (words,).

    Args:
        tokenizer (`PreTrainedTokenizerBase`): says which ids pad, mask and are special.
        max_length (`int`, *optional*, defaults to 512): the longest text; longer ones are cut, and counted in `cut`.
        mask_rate (`float`, `str`, `dict`, `list` or `Schedule`, *optional*, defaults to 0.15): probability of a token
            to be chosen.
        seed (`int`, *optional*, defaults to 0): 0 to 2**64 - 1.
        num_draws (`int`, *optional*): draws in the whole training, which a schedule over fractions of training needs.
        tlm (`bool`, *optional*, defaults to `True`): make the third text.
        pack (`bool`, *optional*, defaults to `False`): say how the texts stand side by side.
        align_words (`bool`, *optional*, defaults to `False`): number words, where both sentences of a pair have the
            same number of them, and at least two.
        pad_to_multiple_of (`int`, *optional*): round padded lengths up to a multiple of this.
        extra_keys (`tuple[str, ...]`, *optional*, defaults to `("draw", "language")`): keys to hand on.
        fixed (`bool`, *optional*, defaults to `False`): evaluation; see [`for_evaluation`].

    Raises:
        ValueError: when an argument is impossible, or a row is no pair of sentences.
    """

    tokenizer: PreTrainedTokenizerBase
    _: KW_ONLY
    max_length: int = _LONGEST
    mask_rate: ScheduleValue = 0.15
    seed: int = 0
    num_draws: int | None = None
    tlm: bool = True
    pack: bool = False
    align_words: bool = False
    pad_to_multiple_of: int | None = None
    extra_keys: tuple[str, ...] = ("draw", "language")
    fixed: bool = False

    def __post_init__(self) -> None:
        self.extra_keys = tuple(as_list(self.extra_keys))
        if self.max_length < 5:
            raise ValueError(f"max_length is {self.max_length}, but two tokens and three special ones need 5")
        if self.tokenizer.padding_side != "right":
            raise ValueError("the tokenizer pads on the left; set tokenizer.padding_side = 'right'")
        self.seed = check_seed(self.seed)
        self.streams = STREAMS if self.tlm else STREAMS[:2]
        self._maskers = [
            DataCollatorForMaskedLM(
                self.tokenizer,
                mask_rate=self.mask_rate,
                seed=self.seed,
                num_draws=self.num_draws,
                stream=stream,
                pad_to_multiple_of=self.pad_to_multiple_of,
                extra_keys=(),
                fixed=self.fixed,
            )
            for stream in range(len(self.streams))
        ]
        # An unknown word is a word: it is pooled as the published code pools it.
        around = set(self.tokenizer.all_special_ids) - {self.tokenizer.unk_token_id}
        self._special = np.array(sorted(around), dtype=np.int64)
        self._starts = word_starts(self.tokenizer) if self.align_words else None

    def for_evaluation(self, mask_rate: float | None = None) -> DataCollatorForTransliteration:
        """The collator for held-out pairs, whose masks and order never change.

        Args:
            mask_rate (`float`, *optional*): constant mask rate; by default the training's, at its start where it is
                scheduled.
        """
        rate = self._maskers[0].for_evaluation(mask_rate).mask_rate
        return replace(self, mask_rate=rate, fixed=True)

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        pairs = [self._pair(feature, place) for place, feature in enumerate(features)]
        draws = [{"draw": feature["draw"]} if "draw" in feature else {} for feature in features]
        texts, cut = self._texts(pairs, draws)
        # What preparing cut, the rows themselves no longer show.
        cut += np.array([bool(feature.get("was_cut", False)) for feature in features], dtype=np.int64)
        batch: dict[str, torch.Tensor] = {}
        for name, masker, rows in zip(self.streams, self._maskers, texts):
            masked = masker([{"input_ids": row, **draw} for row, draw in zip(rows, draws)])
            batch |= {f"{name}_{key}": value for key, value in masked.items()}
        for name, rows in zip(self.streams[:2], texts):
            width = batch[f"{name}_input_ids"].shape[1]
            batch[f"{name}_pool_mask"] = self._padded([~np.isin(row, self._special) for row in rows], width, False)
        if self.align_words:
            batch |= self._words(texts, cut, [batch[f"{name}_input_ids"].shape[1] for name in self.streams[:2]])
        if self.pack:
            packed = pack_rows([len(row) for rows in texts for row in rows], widest=self.max_length)
            batch["packed_segments"] = torch.from_numpy(packed.segments)
            batch["packed_positions"] = torch.from_numpy(packed.positions)
        batch["cut"] = torch.from_numpy(cut)
        for key in self.extra_keys:
            if key in features[0]:
                batch[key] = torch.tensor([int(feature[key]) for feature in features])
        return batch

    def _pair(self, feature: Mapping[str, Any], place: int) -> list[np.ndarray]:
        missing = [key for key in ("input_ids", "romanized_input_ids") if key not in feature]
        if missing:
            raise ValueError(
                f"a sentence pair needs input_ids and romanized_input_ids, and feature {place} has "
                f"{', '.join(sorted(feature))}: prepare a pair store with `hf-mplm prepare --romanize`"
            )
        pair = [np.asarray(feature[key], dtype=np.int64) for key in ("input_ids", "romanized_input_ids")]
        for row in pair:
            if len(row) < 2 or not np.isin(row[[0, -1]], self._special).all():
                raise ValueError(
                    f"feature {place} is no sentence between special tokens such as <s> and </s>: it has "
                    f"{len(row)} tokens, {row[:3].tolist()} first. Prepare a pair store with `hf-mplm prepare "
                    "--romanize`"
                )
        return pair

    def _texts(
        self, pairs: list[list[np.ndarray]], draws: Sequence[Mapping[str, Any]]
    ) -> tuple[list[list[np.ndarray]], np.ndarray]:
        """The rows of each stream, and how many of each pair's were cut, (batch,)."""
        cut = np.zeros(len(pairs), dtype=np.int64)
        texts: list[list[np.ndarray]] = [[], []]
        for place, pair in enumerate(pairs):
            for rows, row in zip(texts, pair):
                cut[place] += len(row) > self.max_length
                rows.append(row if len(row) <= self.max_length else np.append(row[: self.max_length - 1], row[-1]))
        if not self.tlm:
            return texts, cut
        numbers = [draw.get("draw", content_number(pair[0])) for draw, pair in zip(draws, pairs)]
        words = random_words(self.seed, _ORDER + self.fixed, np.array(numbers, dtype=np.uint64), 1)[:, 0]
        joined = []
        for place, (pair, word) in enumerate(zip(pairs, words)):
            cut[place] += len(pair[0]) + len(pair[1]) - 1 > self.max_length
            first, second = pair[::-1] if word >> np.uint64(63) else pair
            joined.append(join_pair(first, second, self.max_length))
        return [*texts, joined], cut

    def _words(self, texts: list[list[np.ndarray]], cut: np.ndarray, widths: Sequence[int]) -> dict[str, torch.Tensor]:
        assert self._starts is not None
        numbered: list[list[np.ndarray]] = [[], []]
        sentences: list[int] = []
        for place, pair in enumerate(zip(*texts[:2])):
            words = [number_words(row[1:-1], self._starts) for row in pair]
            counts = [int(numbers[-1]) + 1 if len(numbers) else 0 for numbers in words]
            # A single word, as in scripts without spaces, has nothing to be told from; a cut sentence lacks some.
            alike = counts[0] == counts[1] >= 2 and not cut[place]
            for rows, numbers in zip(numbered, words):
                around = np.full(1, -1)
                rows.append(np.concatenate([around, numbers + len(sentences) if alike else 0 * numbers - 1, around]))
            sentences += [place] * (counts[0] if alike else 0)
        padded = [self._padded(rows, width, -1) for rows, width in zip(numbered, widths)]
        return {
            "source_words": padded[0],
            "romanized_words": padded[1],
            "word_labels": torch.tensor(sentences, dtype=torch.int64),
        }

    @staticmethod
    def _padded(rows: list[np.ndarray], width: int, fill: int) -> torch.Tensor:
        out = np.full((len(rows), width), fill, dtype=np.int64)
        for line, row in zip(out, rows):
            line[: len(row)] = row
        return torch.from_numpy(out)
