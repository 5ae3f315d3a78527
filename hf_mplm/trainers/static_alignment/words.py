"""Words as tokens, drawn by number, and the vectors that they are to be aligned with."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hf_mplm.data.batches.draws import MAX_DRAWS
from hf_mplm.data.batches.sampling import LanguageSampler
from hf_mplm.data.tokenizing.encoding import encode_sentences, save_encoder
from hf_mplm.data.word_vectors import WordVectors


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["DrawnWords", "EncodedWords"]

logger = logging.getLogger(__name__)

# As published. What is cut is hardly a word.
_LONGEST = 20
_BLOCK = 16_384


class DrawnWords(NamedTuple):
    """Some words of a training.

    Attributes:
        tokens (`list[np.ndarray]`): each word between its special tokens. Shapes: (tokens of the word,).
        pooled (`list[np.ndarray]`): which of these stand for the word. Shapes: the same, bool.
        targets (`np.ndarray`): the vector of each. Shape: (words, dimensions), float32.
    """

    tokens: list[np.ndarray]
    pooled: list[np.ndarray]
    targets: np.ndarray


class EncodedWords:
    """Words as tokens with vectors of length 1, drawn language by language in proportion to their numbers.

    Words without a token, or with a vector of length zero, are left out and counted.

    Args:
        words (`WordVectors`): the words.
        tokenizer (`transformers.PreTrainedTokenizerBase`): the encoder's.
        seed (`int`): of the draws.
        components (`int`, *optional*): reduce the vectors to so many principal axes; fewer dimensions stay.
        pool_special_tokens (`bool`, *optional*, defaults to `False`): let special tokens stand for a word, too.

    Attributes:
        n_cut (`int`): words of more than 20 tokens, of which the first ones were kept.
        n_empty (`int`): words left out because they have no token.
        n_zero (`int`): words left out because their vectors are zero.

    Raises:
        ValueError: when no word is left.
    """

    def __init__(
        self,
        words: WordVectors,
        tokenizer: PreTrainedTokenizerBase,
        *,
        seed: int,
        components: int | None = None,
        pool_special_tokens: bool = False,
    ) -> None:
        self._pool_special_tokens = pool_special_tokens
        tokens, lengths = self._encode(words, tokenizer)
        norms = _norms(words.vectors)
        self.n_empty, self.n_zero = int((lengths == 0).sum()), int(((norms == 0) & (lengths > 0)).sum())
        self._rows = np.flatnonzero((lengths > 0) & (norms > 0))
        if not len(self._rows):
            raise ValueError(
                f"none of {len(words):,} words is left: {self.n_empty:,} have no token in the encoder's vocabulary, "
                f"and {self.n_zero:,} a vector of zeros"
            )
        if self.n_empty or self.n_zero:
            logger.warning(
                "left out of %s words: %s without a token, %s with a vector of zeros",
                f"{len(words):,}",
                f"{self.n_empty:,}",
                f"{self.n_zero:,}",
            )
        self._tokens, self._stops = tokens, np.cumsum(lengths)
        self._vectors, self._norms = words.vectors, norms
        if components is not None and components < words.dimension:
            self._vectors = _principal_components(words.vectors, norms, self._rows, components)
            self._norms = np.ones_like(norms)
        self.dimension = int(self._vectors.shape[1])
        self._sampler = LanguageSampler(
            words.labels[self._rows], alpha=1.0, seed=seed, num_draws=MAX_DRAWS, num_languages=len(words.languages)
        )

    def __len__(self) -> int:
        return len(self._rows)

    def draws(self, start: int, stop: int) -> DrawnWords:
        """The words of draws `start` to `stop` - 1, which are a pure function of seed and draw."""
        rows = self._rows[self._sampler.rows(start, stop)]
        tokens = [self._tokens[0 if row == 0 else self._stops[row - 1] : self._stops[row]] for row in rows]
        pooled = [self._stands_for_the_word(word) for word in tokens]
        return DrawnWords(tokens, pooled, self._vectors[rows] / self._norms[rows, None])

    def _stands_for_the_word(self, word: np.ndarray) -> np.ndarray:
        stands = np.ones(len(word), dtype=bool)
        if not self._pool_special_tokens:
            stands[: self._around[0]] = False
            stands[len(word) - self._around[1] :] = False
        return stands

    def _encode(self, words: WordVectors, tokenizer: PreTrainedTokenizerBase) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of all words one after the other, and the length of each. Shapes: (tokens,), (words,)."""
        kept, lengths, self.n_cut = [], [], 0
        with tempfile.TemporaryDirectory() as folder:
            spec = save_encoder(tokenizer, Path(folder))
            self._around = len(spec.prefix), len(spec.suffix)
            for start in range(0, len(words), _BLOCK):
                tokens, sizes, _ = encode_sentences(spec, list(words.words[start : start + _BLOCK]))
                # Of a long word the end goes, but not what stands behind it.
                behind = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(tokens))
                place = np.repeat(sizes, sizes) - behind
                keep = (place < _LONGEST - self._around[1]) | (behind <= self._around[1])
                self.n_cut += int((sizes > _LONGEST).sum())
                kept.append(tokens[keep])
                lengths.append(np.minimum(sizes, _LONGEST))
        return np.concatenate(kept), np.concatenate(lengths)


def _norms(vectors: np.ndarray) -> np.ndarray:
    blocks = [vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK)]
    return np.concatenate([np.linalg.norm(block.astype(np.float64), axis=1) for block in blocks]).astype(np.float32)


def _principal_components(vectors: np.ndarray, norms: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Unit vectors along their first principal axes; rows that are left out stay zero. Shape: (words, count)."""
    parts = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    total, products = np.zeros(vectors.shape[1]), np.zeros((vectors.shape[1],) * 2)
    for part in parts:
        block = vectors[part].astype(np.float64) / norms[part, None]
        total += block.sum(0)
        products += block.T @ block
    mean = total / len(rows)
    axes = np.linalg.eigh(products / len(rows) - np.outer(mean, mean))[1][:, ::-1][:, :count]
    # The signs of eigenvectors are whatever the machine makes of them.
    axes = (axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(count)])).astype(np.float32)
    found = np.zeros((len(vectors), count), dtype=np.float32)
    for part in parts:
        found[part] = (vectors[part] / norms[part, None] - mean.astype(np.float32)) @ axes
    return found
