"""Sums of sentence vectors by language and block: what a mean, its error and its bootstrap are computed from."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


__all__ = ["NUM_BLOCKS", "BlockSums"]

NUM_BLOCKS = 16
"""Blocks into which a language's sentences fall, by their hash."""


@dataclass
class BlockSums:
    """Sums of sentence vectors, which add up over parts of a corpus.

    Args:
        sums (`np.ndarray`): sums of the vectors, float64. Shape: (languages, blocks, dimension).
        counts (`np.ndarray`): numbers of sentences, int64. Shape: (languages, blocks).
        squares (`np.ndarray`): sums of the vectors' squared norms, float64. Shape: (languages, blocks).
    """

    sums: np.ndarray
    counts: np.ndarray
    squares: np.ndarray

    @classmethod
    def zeros(cls, n_languages: int, dimension: int, n_blocks: int = NUM_BLOCKS) -> BlockSums:
        """Nothing counted yet.

        Args:
            n_languages (`int`): number of languages.
            dimension (`int`): length of a sentence's vector.
            n_blocks (`int`, *optional*, defaults to 16): number of blocks.
        """
        shape = (n_languages, n_blocks)
        return cls(np.zeros((*shape, dimension)), np.zeros(shape, dtype=np.int64), np.zeros(shape))

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.sums.shape[-1])

    def add(self, row: int, blocks: np.ndarray, vectors: np.ndarray) -> None:
        """Count sentences of one language.

        Args:
            row (`int`): the language's row.
            blocks (`np.ndarray`): the block of each sentence. Shape: (sentences,).
            vectors (`np.ndarray`): its vector. Shape: (sentences, dimension).
        """
        vectors = np.asarray(vectors, dtype=np.float64)
        np.add.at(self.sums[row], blocks, vectors)
        np.add.at(self.counts[row], blocks, 1)
        np.add.at(self.squares[row], blocks, np.einsum("nd,nd->n", vectors, vectors))

    def totals(self) -> np.ndarray:
        """Sentences of each language. Shape: (languages,)."""
        totals: np.ndarray = self.counts.sum(axis=1)
        return totals

    def means(self) -> np.ndarray:
        """The mean vector of each language; NaN where nothing was counted. Shape: (languages, dimension)."""
        totals = self.totals()[:, None]
        with np.errstate(invalid="ignore"):
            means: np.ndarray = np.where(totals > 0, self.sums.sum(axis=1) / totals, np.nan)
        return means

    def standard_errors(self) -> np.ndarray:
        """sqrt(trace(S) / n), with the sentences' covariance S, by language; NaN for fewer than two sentences.

        It is the root of the expected squared distance between the mean of n sentences and that of all text. Shape:
        (languages,).
        """
        totals = self.totals()
        means = self.means()
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = self.squares.sum(axis=1) - totals * np.einsum("ld,ld->l", means, means)
            # Of equal sentences nothing is left, which rounding may make a negative trace.
            trace = np.maximum(spread, 0) / (totals - 1)
            errors: np.ndarray = np.where(totals > 1, np.sqrt(trace / totals), np.nan)
        return errors

    def rows(self, chosen: Sequence[int]) -> BlockSums:
        """Those of some languages, in the order given."""
        index = np.asarray(chosen, dtype=np.int64)
        return BlockSums(self.sums[index], self.counts[index], self.squares[index])

    def resampled(self, languages: Sequence[str], seed: int) -> BlockSums:
        """Draw each language's blocks that hold sentences with replacement, and put them together into one block.

        The draw of a language depends on its code and the seed, and on no other language.

        Args:
            languages (`Sequence[str]`): the codes of the rows.
            seed (`int`): of the draw.
        """
        times = np.zeros_like(self.counts)
        for row, code in enumerate(languages):
            filled = np.flatnonzero(self.counts[row])
            if len(filled):
                generator = np.random.default_rng([seed, zlib.crc32(code.encode())])
                times[row] = np.bincount(generator.choice(filled, len(filled)), minlength=self.counts.shape[1])
        weights = times[:, None, :].astype(np.float64)
        return BlockSums(
            weights @ self.sums,
            (times * self.counts).sum(axis=1, keepdims=True),
            (times * self.squares).sum(axis=1, keepdims=True),
        )
