"""Silver dictionaries from sentences that translate each other, by counts alone: independent of any encoder."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from .words import segment_words


__all__ = ["LexiconPair", "extract_lexicon", "log_likelihood_ratio"]


class LexiconPair(NamedTuple):
    """Two words that stand in translations of each other more often than chance would have it.

    Args:
        source (`str`): the one.
        target (`str`): the other.
        score (`float`): log-likelihood ratio.
        together (`int`): sentence pairs that hold both.
    """

    source: str
    target: str
    score: float
    together: int


def log_likelihood_ratio(together: int, source: int, target: int, n: int) -> float:
    """Dunning's statistic of a 2 x 2 table of sentence pairs (1993, section 4).

    Args:
        together (`int`): pairs that hold both words.
        source (`int`): pairs that hold the one.
        target (`int`): pairs that hold the other.
        n (`int`): all pairs.

    Returns:
        `float`: 2 sum over the cells of observed x ln(observed / expected), at least 0.
    """
    total = 0.0
    for observed, row, column in (
        (together, source, target),
        (source - together, source, n - target),
        (target - together, n - source, target),
        (n - source - target + together, n - source, n - target),
    ):
        if observed:
            total += observed * math.log(observed * n / (row * column))
    return max(0.0, 2 * total)


def extract_lexicon(
    pairs: Iterable[tuple[str, str]], source_language: str, target_language: str, *, min_count: int = 3
) -> list[LexiconPair]:
    """The pairs of words that are each other's best by log-likelihood ratio.

    Args:
        pairs (`Iterable[tuple[str, str]]`): sentences and their translations.
        source_language (`str`): code of the one side.
        target_language (`str`): code of the other.
        min_count (`int`, *optional*, defaults to 3): sentence pairs in which both words must stand.

    Returns:
        `list[LexiconPair]`: the best first; of equal scores the more frequent, then alphabetically.

    Raises:
        ValueError: if there is no sentence pair.
    """
    n = 0
    counts_source: Counter[str] = Counter()
    counts_target: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for left, right in pairs:
        n += 1
        words_left = set(segment_words(left, source_language))
        words_right = set(segment_words(right, target_language))
        counts_source.update(words_left)
        counts_target.update(words_right)
        together.update((first, second) for first in words_left for second in words_right)
    if not n:
        raise ValueError("there is no sentence pair to read a lexicon from")
    best_source: dict[str, LexiconPair] = {}
    best_target: dict[str, LexiconPair] = {}
    for (first, second), number in together.items():
        if number < min_count:
            continue
        # What stands together less often than chance would have it also has a large ratio.
        if number * n <= counts_source[first] * counts_target[second]:
            continue
        score = log_likelihood_ratio(number, counts_source[first], counts_target[second], n)
        pair = LexiconPair(first, second, score, number)
        for best, key in ((best_source, first), (best_target, second)):
            if key not in best or _order(pair) < _order(best[key]):
                best[key] = pair
    mutual = [pair for pair in best_source.values() if best_target.get(pair.target) == pair]
    return sorted(mutual, key=_order)


def _order(pair: LexiconPair) -> tuple[float, int, str, str]:
    return (-pair.score, -pair.together, pair.source, pair.target)
