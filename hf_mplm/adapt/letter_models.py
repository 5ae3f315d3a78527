"""Which language a text is in, by its letters: character trigrams of languages of which there is a sample."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np


__all__ = ["Lookalike", "nearest_by_letters"]

_ORDER = 3
# Of a sentence's own language nine in ten sentences are below this percentile of their surprise.
_USUAL = 90
_HELD_OUT = 4


class Lookalike(NamedTuple):
    """The language that a text looks most like.

    Attributes:
        language (`str`): its code.
        share (`float`): share of the sentences that are no stranger to it than nine in ten of its own are.
        surprise (`float`): mean surprise of the text by its trigrams, in bits a character, over that of its own.
    """

    language: str
    share: float
    surprise: float


class _Trigrams:
    """An interpolated trigram model of characters (Jelinek & Mercer 1980), weights a half and a half again."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts = [Counter[str]() for _ in range(_ORDER + 1)]
        for text in texts:
            padded = _padded(text)
            for order in range(1, _ORDER + 1):
                self._counts[order].update(padded[i : i + order] for i in range(len(padded) - order + 1))
        self._total = sum(self._counts[1].values())
        self._letters = len(self._counts[1]) + 1

    def surprise(self, text: str) -> float:
        """Bits a character."""
        padded = _padded(text)
        bits = 0.0
        for place in range(_ORDER - 1, len(padded)):
            probability = (self._counts[1][padded[place]] + 0.5) / (self._total + 0.5 * (self._letters + 1))
            for order in range(2, _ORDER + 1):
                before = padded[place - order + 1 : place]
                seen = self._total if not before else self._counts[order - 1][before]
                if seen:
                    found = self._counts[order][before + padded[place]] / seen
                    probability = 0.5 * probability + 0.5 * found
            bits -= math.log2(probability)
        return bits / max(1, len(padded) - _ORDER + 1)


def nearest_by_letters(texts: Sequence[str], samples: Mapping[str, Sequence[str]]) -> Lookalike | None:
    """Find the language whose letters explain a text best, and how well they explain it beside their own text.

    Every fourth sentence of a sample is kept from its model, and tells how surprising the language's own text is. A
    language is told from its closest relatives by a few dozen sentences; from dialects of itself it is not.

    Args:
        texts (`Sequence[str]`): sentences.
        samples (`Mapping[str, Sequence[str]]`): sentences of known languages by code; those of fewer than 8 sentences
            are left out.

    Returns:
        [`Lookalike`]: of the language of the least surprise; `None` where there is nothing to compare.
    """
    found: list[Lookalike] = []
    for code, sentences in sorted(samples.items()):
        if len(sentences) < 2 * _HELD_OUT or not texts:
            continue
        model, own = _learn(tuple(sentences))
        given = np.array([model.surprise(text) for text in texts])
        usual = float(np.percentile(own, _USUAL))
        found.append(Lookalike(code, float((given <= usual).mean()), float(given.mean() / own.mean())))
    return min(found, key=lambda one: (one.surprise, one.language), default=None)


@lru_cache(maxsize=64)
def _learn(sentences: tuple[str, ...]) -> tuple[_Trigrams, np.ndarray]:
    """A language's model, and how surprising its own other sentences are; each new language is held against it."""
    model = _Trigrams([text for place, text in enumerate(sentences) if place % _HELD_OUT])
    return model, np.array([model.surprise(text) for text in sentences[::_HELD_OUT]])


def _padded(text: str) -> str:
    return " " * (_ORDER - 1) + " ".join(text.casefold().split()) + " "
