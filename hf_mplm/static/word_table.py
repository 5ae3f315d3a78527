"""The words of one language with their vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .words import lower_case


__all__ = ["WordTable"]


@dataclass(frozen=True)
class WordTable:
    """The words of one language with their vectors, the most frequent first.

    Args:
        language (`str`): code of the language-script.
        words (`list[str]`): distinct words.
        counts (`np.ndarray`): how often each occurred in the text; 0 where that is not known. Shape: (words,), int64.
        vectors (`np.ndarray`): Shape: (words, dimensions), float32.
    """

    language: str
    words: list[str]
    counts: np.ndarray
    vectors: np.ndarray
    index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (len(self.words) == len(self.counts) == len(self.vectors)):
            raise ValueError(
                f"{self.language}: {len(self.words)} words, {len(self.counts)} counts and {len(self.vectors)} vectors"
            )
        if not np.isfinite(self.vectors).all():
            row = int(np.argmin(np.isfinite(self.vectors).all(axis=1)))
            raise ValueError(f"{self.language}: the vector of {self.words[row]!r} holds what is no number")
        object.__setattr__(self, "index", {word: row for row, word in enumerate(self.words)})
        if len(self.index) < len(self.words):
            twice = Counter(self.words).most_common(1)[0][0]
            raise ValueError(f"{self.language}: the word {twice!r} stands there more than once")

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def lowered(self) -> bool:
        """Whether its words are in lower case: none of the frequent ones holds a capital."""
        return all(word == lower_case(word, self.language) for word in self.words[:2000])

    def with_vectors(self, vectors: np.ndarray) -> WordTable:
        """The same words with other vectors."""
        return replace(self, vectors=np.ascontiguousarray(vectors, dtype=np.float32))

    def without(self, rows: Collection[int]) -> WordTable:
        """The words that do not stand in these places."""
        kept = np.setdiff1d(np.arange(len(self)), np.fromiter(rows, np.int64))
        return WordTable(self.language, [self.words[row] for row in kept], self.counts[kept], self.vectors[kept])

    def most_frequent(self, number: int) -> WordTable:
        """The first `number` words."""
        return WordTable(self.language, self.words[:number], self.counts[:number], self.vectors[:number])
