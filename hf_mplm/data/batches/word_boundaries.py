from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["number_words", "word_starts"]

# How SentencePiece and byte-level BPE write the space before a word; WordPiece marks what goes on instead.
_SPACES = ("\u2581", "\u0120")
_GOES_ON = "##"


def word_starts(tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """Which tokens of a vocabulary begin a word, by what the tokenizer writes before or inside words.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): SentencePiece, byte-level BPE or WordPiece.

    Returns:
        `np.ndarray`: True for tokens that begin a word. Shape: (vocabulary,), bool.

    Raises:
        ValueError: where the vocabulary marks neither beginnings nor continuations.
    """
    vocabulary = tokenizer.get_vocab()
    starts = np.zeros(max(vocabulary.values()) + 1, dtype=bool)
    for space in _SPACES:
        ids = [index for token, index in vocabulary.items() if token.startswith(space)]
        # A vocabulary of any kind may hold a few such characters as letters.
        if len(ids) > len(vocabulary) // 20:
            starts[ids] = True
            return starts
    going_on = [index for token, index in vocabulary.items() if token.startswith(_GOES_ON)]
    if not going_on:
        raise ValueError(
            f"{tokenizer.name_or_path}: the vocabulary does not mark where words begin, so words cannot be aligned; "
            "leave the weight of the token alignment at 0"
        )
    starts[:] = True
    starts[going_on] = False
    return starts


def number_words(ids: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The number of the word, from 0, that each token of a sentence belongs to.

    Args:
        ids (`np.ndarray`): a sentence without special tokens at its ends. Shape: (sequence,).
        starts (`np.ndarray`): what [`word_starts`] gave. Shape: (vocabulary,).

    Returns:
        `np.ndarray`: Shape: (sequence,), int64.
    """
    begins = starts[ids]
    begins[:1] = True
    return np.cumsum(begins) - 1
