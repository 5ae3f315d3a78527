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
        surprise (`float`): surprise by its trigrams, in bits a character, of the half of the text that it explains
            best, in whole sentences, over that of all its own text. Where less than half is in the language, there are
            strangers in that half.
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
    sizes = _sizes(texts)
    for code, sentences in sorted(samples.items()):
        if len(sentences) < 2 * _HELD_OUT or not texts:
            continue
        model, own, usual = _learn(tuple(sentences))
        given = np.array([model.surprise(text) for text in texts])
        # By letters and not by lines: headings are many, little text, and like those of any language.
        order = np.argsort(given, kind="stable")
        reached = np.cumsum(sizes[order])
        half = order[: 1 + int(np.searchsorted(reached, reached[-1] / 2))]
        surprise = float(np.average(given[half], weights=sizes[half]))
        found.append(Lookalike(code, float((given <= usual).mean()), surprise / own))
    return min(found, key=lambda one: (one.surprise, one.language), default=None)


@lru_cache(maxsize=64)
def _learn(sentences: tuple[str, ...]) -> tuple[_Trigrams, float, float]:
    """A language's model, how surprising its own other text is, and the most that nine in ten of these sentences are;
    each new language is held against it."""
    model = _Trigrams([text for place, text in enumerate(sentences) if place % _HELD_OUT])
    others = sentences[::_HELD_OUT]
    own = np.array([model.surprise(text) for text in others])
    return model, float(np.average(own, weights=_sizes(others))), float(np.percentile(own, _USUAL))


def _sizes(texts: Sequence[str]) -> np.ndarray:
    return np.array([max(1, len(text)) for text in texts])


def _padded(text: str) -> str:
    return " " * (_ORDER - 1) + " ".join(text.casefold().split()) + " "
