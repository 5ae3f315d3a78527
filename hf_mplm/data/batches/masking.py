from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .randomness import check_seed, random_words


__all__ = ["FIXED_STREAM", "IGNORE_INDEX", "MaskedTokens", "mask_tokens"]

IGNORE_INDEX = -100
# Added to a stream's number for masks that never change (evaluation), so that they meet no mask of training. The
# sampler's own streams begin at 2**31.
FIXED_STREAM = 2**24

_LOW_32 = np.uint64(2**32 - 1)
_SHIFT_32 = np.uint64(32)


class MaskedTokens(NamedTuple):
    """What [`mask_tokens`] returns.

    Args:
        input_ids (`np.ndarray`): tokens with masks. Shape: that of the input, int64.
        labels (`np.ndarray`): the original token where one is to be predicted, -100 elsewhere. Shape: the same, int64.
        num_masked (`np.ndarray`): tokens to be predicted in each row; 0 where the draw left a row as it was. Shape
            `(batch,)`, or `()` for one row.
    """

    input_ids: np.ndarray
    labels: np.ndarray
    num_masked: np.ndarray


def mask_tokens(
    input_ids: np.ndarray | Sequence[int],
    *,
    draw: np.ndarray | Sequence[int] | int,
    seed: int,
    mask_token_id: int,
    vocab_size: int,
    special_ids: np.ndarray | Sequence[int],
    mask_rate: np.ndarray | float = 0.15,
    attention_mask: np.ndarray | None = None,
    stream: int = 0,
    mask_share: float = 0.8,
    random_share: float = 0.1,
) -> MaskedTokens:
    """Mask tokens for masked language modelling: a pure function of the tokens and of (seed, draw, stream).

    Each token that is not special is chosen with probability `mask_rate`, independently of the others (Bernoulli, as
    in Devlin et al. 2019, section 3.1, and `DataCollatorForLanguageModeling`; the number of chosen tokens therefore
    varies, and may be 0). Of the chosen, 80 % become the mask token, 10 % a random token that is not special, and 10 %
    stay.

    A row's i-th token takes the i-th random word of the generator keyed by (seed, draw, stream). So a row's masks do
    not depend on the rows beside it, on padding on either side, on the process, the worker or the epoch.

    Args:
        input_ids (`np.ndarray`): tokens. Shape: (batch, sequence), or `(sequence,)` for one row.
        draw (`np.ndarray` or `int`): number of the draw that each row is, 0 to 2**64 - 1. Shape: (batch,), or one
            number for one row.
        seed (`int`): seed of the run, 0 to 2**64 - 1.
        mask_token_id (`int`): id of the mask token.
        vocab_size (`int`): number of ids; random tokens are drawn from those that are not special.
        special_ids (`np.ndarray`): ids that are never masked and never drawn, wherever they stand.
        mask_rate (`float` or `np.ndarray`, *optional*, defaults to 0.15): probability of a token to be chosen. Shape
            `()` or `(batch,)`.
        attention_mask (`np.ndarray`, *optional*): 0 at padding. Shape: that of `input_ids`.
        stream (`int`, *optional*, defaults to 0): which of several texts of the same draw this is (a sentence, its
            romanisation, both).
        mask_share (`float`, *optional*, defaults to 0.8): share of the chosen tokens that become the mask token.
        random_share (`float`, *optional*, defaults to 0.1): share of the chosen tokens that become a random token.

    Returns:
        `MaskedTokens`: new `input_ids`, `labels` and `num_masked`. The argument is left as it was.

    Raises:
        ValueError: when a rate, a share or a shape is impossible.
    """
    tokens = np.array(input_ids, dtype=np.int64)
    single = tokens.ndim == 1
    rows = tokens.reshape(1, -1) if single else tokens
    draws = np.asarray(draw).reshape(-1)
    rate = np.broadcast_to(np.asarray(mask_rate, dtype=np.float64), draws.shape)
    attended = np.ones(rows.shape, dtype=bool) if attention_mask is None else np.asarray(attention_mask) != 0
    attended = attended.reshape(rows.shape)
    if rows.ndim != 2 or len(draws) != len(rows):
        raise ValueError(
            f"input_ids has shape {tokens.shape} and draw has {len(draws)} numbers: give (batch, sequence) tokens "
            "and a draw a row, or (sequence,) tokens and one draw"
        )
    if not ((rate >= 0) & (rate <= 1)).all():
        raise ValueError(f"mask_rate is {mask_rate}, but it is a probability: 0.15 is usual")
    if mask_share < 0 or random_share < 0 or mask_share + random_share > 1 + 1e-9:
        raise ValueError(
            f"mask_share {mask_share} and random_share {random_share} must be shares of at most 1 together"
        )
    if not 0 <= stream < 2 * FIXED_STREAM:
        raise ValueError(f"stream is {stream}, but it must be from 0 to {FIXED_STREAM - 1}, plus FIXED_STREAM or not")
    special = np.unique(np.asarray(special_ids, dtype=np.int64))
    if len(special) >= vocab_size:
        raise ValueError(
            f"all {vocab_size} ids of the vocabulary are special: there is nothing to mask; check vocab_size"
        )

    # A row's i-th token takes the row's i-th word, on whichever side the padding is: boolean indexing goes row by row.
    lengths = attended.sum(axis=1)
    drawn = random_words(check_seed(seed), stream, draws, rows.shape[1])
    words = np.zeros(rows.shape, dtype=np.uint64)
    words[attended] = drawn[np.arange(rows.shape[1]) < lengths[:, None]]
    uniform = words >> _SHIFT_32
    threshold = np.rint(rate * 2.0**32).astype(np.uint64)
    chosen = np.flatnonzero((uniform < threshold[:, None]) & attended)
    chosen = chosen[~np.isin(rows.ravel()[chosen], special, kind="table")]

    labels = np.full(rows.shape, IGNORE_INDEX, dtype=np.int64)
    originals = rows.ravel()[chosen]
    labels.ravel()[chosen] = originals
    # Below its threshold the same word is uniform again, so it also says which of the three happens.
    row = chosen // max(rows.shape[1], 1)
    share = uniform.ravel()[chosen] / np.maximum(threshold, 1)[row]
    replacements = _random_ids(words.ravel()[chosen] & _LOW_32, vocab_size, special)
    rows.ravel()[chosen] = np.where(
        share < mask_share, mask_token_id, np.where(share < mask_share + random_share, replacements, originals)
    )
    num_masked = np.bincount(row, minlength=len(rows))
    if single:
        return MaskedTokens(rows[0], labels[0], num_masked[0])
    return MaskedTokens(rows, labels, num_masked)


def _random_ids(words: np.ndarray, vocab_size: int, special: np.ndarray) -> np.ndarray:
    """Map 32-bit words to ids that are not in `special` (sorted, unique), all equally probable to 1 in 10,000."""
    special = special[(special >= 0) & (special < vocab_size)]
    ordinary = ((words * np.uint64(vocab_size - len(special))) >> _SHIFT_32).astype(np.int64)
    # The r-th ordinary id is r plus the number of special ids below it.
    return ordinary + np.searchsorted(special - np.arange(len(special)), ordinary, side="right")
