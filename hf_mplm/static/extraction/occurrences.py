"""Which occurrences of words are trained on, in which epoch: drawn before the encoder reads them."""

from __future__ import annotations

import zlib

import numpy as np

from hf_mplm.data.batches.randomness import random_words


__all__ = ["draw_occurrences", "expected_occurrences", "keep_probabilities", "random_stream", "uniform"]

# Words of a sentence are numbered within it; the tokens that an encoder reads are far fewer.
_WORDS_PER_SENTENCE = 1 << 16


def keep_probabilities(counts: np.ndarray, subsample: float) -> np.ndarray:
    """How likely an occurrence of each word is kept: min(1, sqrt(t/f) + t/f), f being its share of all occurrences.

    Args:
        counts (`np.ndarray`): of the words of a vocabulary. Shape: (words,).
        subsample (`float`): the threshold t.

    Returns:
        `np.ndarray`: Shape: (words,), float64.
    """
    ratio = subsample * counts.sum() / np.maximum(counts, 1)
    kept: np.ndarray = np.minimum(1.0, np.sqrt(ratio) + ratio)
    return kept


def expected_occurrences(counts: np.ndarray, keep: np.ndarray, epochs: int) -> tuple[float, float]:
    """How many occurrences are expected to be drawn at least once, and how many in one epoch.

    Args:
        counts (`np.ndarray`): of the words. Shape: (words,).
        keep (`np.ndarray`): what [`keep_probabilities`] gives. Shape: (words,).
        epochs (`int`): passes over the text.
    """
    return float((counts * (1 - (1 - keep) ** epochs)).sum()), float((counts * keep).sum())


def draw_occurrences(
    keep: np.ndarray, sentences: np.ndarray, positions: np.ndarray, *, epochs: int, seed: int, language: str
) -> np.ndarray:
    """Draw occurrences for all epochs, as a function of nothing but the seed, the language and their places.

    Args:
        keep (`np.ndarray`): the probability of each occurrence. Shape: (occurrences,).
        sentences (`np.ndarray`): number of the sentence within the language. Shape: (occurrences,).
        positions (`np.ndarray`): number of the word within the sentence. Shape: (occurrences,).
        epochs (`int`): passes over the text.
        seed (`int`): seed of the run.
        language (`str`): code.

    Returns:
        `np.ndarray`: whether each is kept in each epoch. Shape: (occurrences, epochs), bool.
    """
    numbers = sentences.astype(np.uint64) * np.uint64(_WORDS_PER_SENTENCE) + positions.astype(np.uint64)
    drawn: np.ndarray = (
        uniform(random_words(seed, random_stream("occurrences", language), numbers, epochs)) < keep[:, None]
    )
    return drawn


def random_stream(use: str, language: str) -> int:
    """A stream of random words for a use and a language, whose vectors no other language changes."""
    return zlib.crc32(f"static {use} {language}".encode())


def uniform(words: np.ndarray) -> np.ndarray:
    """Random 64-bit words as numbers in [0, 1). Shape: that of `words`, float64."""
    return (words >> np.uint64(11)) * 2.0**-53
