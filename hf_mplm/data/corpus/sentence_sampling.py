"""A sample of a corpus whose languages are balanced, drawn in one pass and in little memory."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Mapping

from .corpora import CorpusRow


__all__ = ["allocate", "sample_sentences"]


def allocate(counts: Mapping[str, int], total: int, alpha: float) -> dict[str, int]:
    """How many of `total` sentences each language gets: p ~ n^alpha, and never more than it has.

    What a small language cannot fill is shared among the others in the same proportion.

    Args:
        counts (`Mapping[str, int]`): sentences of each language.
        total (`int`): sentences wanted.
        alpha (`float`): 1 keeps the corpus's proportions, 0 gives every language the same.

    Returns:
        `dict[str, int]`: sentences per language; their sum is the smaller of `total` and the corpus.
    """
    shares: dict[str, int] = {}
    weights = {language: float(n) ** alpha for language, n in counts.items() if n > 0}
    left = min(total, sum(counts.values()))
    # The smallest count for its weight is exhausted first, so that one pass in this order settles all.
    order = sorted(weights, key=lambda language: (counts[language] / weights[language], language))
    weight_left = sum(weights.values())
    for language in order:
        share = min(counts[language], round(left * weights[language] / weight_left)) if weight_left > 0 else left
        shares[language] = min(share, left)
        left -= shares[language]
        weight_left -= weights[language]
    for language in reversed(order):  # what rounding left over
        more = min(left, counts[language] - shares[language])
        shares[language] += more
        left -= more
    return shares


def sample_sentences(
    rows: Iterable[str | CorpusRow], size: int, *, alpha: float = 0.3, seed: int = 0
) -> tuple[list[str], dict[str, int]]:
    """Draw sentences without replacement, balanced over languages by p ~ n^alpha, in an order that mixes them.

    A sentence is in or out by a hash of the seed, its language and its place within the language: neither the order of
    the languages nor what comes after decides. Little more than twice `size` sentences are held at a time.

    Args:
        rows (`Iterable[str | CorpusRow]`): corpus rows, or plain sentences, which count as one language.
        size (`int`): how many to draw; a smaller corpus is returned whole.
        alpha (`float`, *optional*, defaults to 0.3): exponent of the sampling, between 0 and 1.
        seed (`int`, *optional*, defaults to 0): seed of the draw.

    Returns:
        `tuple[list[str], dict[str, int]]`: the sentences, and how many there are of each language.

    Raises:
        ValueError: where `size` or `alpha` is out of range.
    """
    if size < 1:
        raise ValueError(f"the number of sentences must be at least 1, not {size}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be between 0 (languages alike) and 1 (as in the corpus), not {alpha}")
    counts: dict[str, int] = {}
    held: dict[str, list[tuple[int, int, str]]] = {}
    limits: dict[str, int] = {}
    n_held = 0
    for row in rows:
        language, text = ("", row) if isinstance(row, str) else (row["language"], row["text"])
        index = counts.get(language, 0)
        counts[language] = index + 1
        priority = _priority(seed, language, index)
        if priority >= limits.get(language, 2**64):
            continue
        held.setdefault(language, []).append((priority, index, text))
        n_held += 1
        if n_held >= 4 * size + 1024:
            # Twice the present share: with alpha <= 1 a share grows no faster than the language, and its sample grows
            # as fast as the language, so that the final share is there.
            n_held = _trim(held, limits, allocate(counts, 2 * size, alpha))
    shares = allocate(counts, size, alpha)
    drawn = [entry for language, entries in held.items() for entry in heapq.nsmallest(shares[language], entries)]
    return [text for _, _, text in sorted(drawn)], {language: shares[language] for language in sorted(shares)}


def _trim(held: dict[str, list[tuple[int, int, str]]], limits: dict[str, int], shares: dict[str, int]) -> int:
    for language, entries in held.items():
        if len(entries) > shares[language]:
            kept = heapq.nsmallest(shares[language] + 1, entries)
            limits[language] = kept.pop()[0]
            held[language] = kept
    return sum(map(len, held.values()))


def _priority(seed: int, language: str, index: int) -> int:
    key = f"{seed}\t{language}\t{index}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
