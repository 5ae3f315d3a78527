"""What a tokenizer makes of a language's text, from the counts of a store."""

from __future__ import annotations

from collections.abc import Mapping


__all__ = ["MOST_UNKNOWN", "language_sizes", "unknown_share"]

MOST_UNKNOWN = 0.03
"""The share of unknown characters from which on a language is warned of."""


def unknown_share(counts: Mapping[str, int]) -> float:
    """The share of characters that the tokenizer does not know; of tokens in a store of before, which tells less.

    Args:
        counts (`Mapping[str, int]`): of a language, as `store.json` has them.
    """
    if "unknown_characters" in counts:
        return counts["unknown_characters"] / max(1, counts["characters"])
    return counts["unknown_tokens"] / max(1, counts["tokens"] + counts["holdout_tokens"])


def language_sizes(counts: Mapping[str, int]) -> dict[str, int | float]:
    """What a card tells of a language: `sentences`, `tokens`, `tokens_per_character` and `unknown`, a share.

    Tokens a character (Unicode code point) are counted without the two that stand around every sentence. Of pairs the
    sentence in its own script is told, and no share of unknown characters, which are not counted there.

    Args:
        counts (`Mapping[str, int]`): of a language, as `store.json` has them; what is not known is left out.
    """
    sentences = counts.get("sentences", counts.get("pairs"))
    if sentences is None or "tokens" not in counts:
        return {}
    sizes: dict[str, int | float] = {"sentences": int(sentences), "tokens": int(counts["tokens"])}
    if counts.get("characters"):
        # A store of chunks counts the characters of what it holds out too, a pair store does not.
        held = counts if "sentences" in counts else {}
        tokens = counts["tokens"] + held.get("holdout_tokens", 0)
        around = 2 * (sentences + held.get("holdout_sentences", 0))
        sizes["tokens_per_character"] = round(max(0, tokens - around) / counts["characters"], 4)
    if "unknown_characters" in counts:
        sizes["unknown"] = round(unknown_share(counts), 6)
    return sizes
