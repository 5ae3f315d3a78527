"""What a diagnosis advises, and why: rules of thumb in one place, each of which says what it goes by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


__all__ = ["advise", "hope"]

# A language of more unknown characters loses words; `hf-mplm prepare` warns from there on.
_UNKNOWN = 0.03
# A language cut this much finer than known ones has a context, and a count of steps, that is so much shorter.
_FINER = 1.5
_FEWEST_SENTENCES = 100
# Glot500 takes a language from here on.
_GLOT500 = 30_000
_WORDS_A_PIECE = 100
_MOST_PIECES, _FEWEST_PIECES = 8000, 200
_PASSES = 10
_MOST_STEPS, _FEWEST_STEPS = 20_000, 100
_NEIGHBOURS = 3
_SAME_SCRIPT = 3


def advise(languages: Mapping[str, Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]], **run: Any) -> dict:
    """Recommend how to adapt.

    Args:
        languages (`Mapping`): of each new language what the diagnosis found.
        known (`Mapping`): the same of the languages to compare with.
        **run: `batch_size` and `chunk_length` of the training, and `can_extend`, whether the tokenizer's kind can be.

    Returns:
        `dict`: `extend`, `wanting` (codes of the languages that lack subwords), `new_pieces`, `max_steps`, `replay`
        (codes), and `reasons`, a sentence each.
    """
    reasons: list[str] = []
    words, distinct, wanting = 0, 0, []
    for code, found in languages.items():
        median = _median(_comparable(code, known))
        finer = found["tokens_per_character"] / median if median else 0.0
        if found["unknown"] > _UNKNOWN:
            reasons.append(f"{code}: the tokenizer does not know {found['unknown']:.1%} of its characters")
        elif finer > _FINER:
            reasons.append(
                f"{code}: it is cut into {finer:.1f} times as many tokens a character as known languages are "
                f"({found['tokens_per_character']:.2f}, the median of those to compare with is {median:.2f})"
            )
        else:
            continue
        wanting.append(code)
        words += found["words"]
        distinct += found["distinct_words"]
    pieces = _pieces(words, distinct) if wanting else 0
    if wanting and not run["can_extend"]:
        pieces = 0
        reasons.append("the vocabulary would have to grow, and a tokenizer of this kind cannot")
    elif wanting and not pieces:
        reasons.append(f"{words:,} words are too few to learn subwords from: the vocabulary stays")
    elif pieces:
        reasons.append(
            f"{pieces:,} new subwords: one for {_WORDS_A_PIECE} words of {', '.join(wanting)}, and for three "
            "different ones of a sample, at most"
        )
    else:
        reasons.append("the vocabulary is left as it is: it cuts the text no finer than that of known languages")
    tokens = sum(found["tokens"] for found in languages.values())
    steps = math.ceil(_PASSES * tokens / (run["batch_size"] * run["chunk_length"]))
    steps = min(_MOST_STEPS, max(_FEWEST_STEPS, steps))
    reasons.append(
        f"{steps:,} steps at most: {_PASSES} passes over {tokens:,} tokens, between {_FEWEST_STEPS} and "
        f"{_MOST_STEPS:,}; the held-out curve ends them earlier"
    )
    replay = list(dict.fromkeys(near for found in languages.values() for near in _neighbours(found)))
    if replay:
        reasons.append(f"to replay: {', '.join(replay)}, the nearest known languages, which have most to lose")
    return {
        "extend": pieces > 0,
        "wanting": wanting,
        "new_pieces": pieces,
        "max_steps": steps,
        "replay": replay,
        "reasons": reasons,
    }


def hope(sentences: int) -> str:
    """What can be hoped for from so much text, in a clause.

    Args:
        sentences (`int`): of the language.
    """
    if sentences < _FEWEST_SENTENCES:
        return (
            f"{sentences} sentences: no encoder learns a language from so few. Its letters and a few names will be "
            "known better, and nothing measured on so little text means much; a dictionary, or text of a close "
            "relative, is worth more than steps"
        )
    if sentences < _GLOT500:
        return (
            f"{sentences:,} sentences: fewer than the 30,000 from which Glot500 takes a language. Held-out text will "
            "be predicted better; retrieval and transfer gain where relatives are known already"
        )
    return f"{sentences:,} sentences: as much as Glot500's languages have, whose transfer gained most"


def _pieces(words: int, distinct: int) -> int:
    # Learned are twice as many, of which the old vocabulary has some: more than that no text of so few words has.
    found = min(_MOST_PIECES, words // _WORDS_A_PIECE, distinct // 3) // 100 * 100
    return found if found >= _FEWEST_PIECES else 0


def _comparable(code: str, known: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """Tokens a character of known languages: of those in the same script where there are some, for scripts differ."""
    script = code.partition("_")[2]
    same = [about["tokens_per_character"] for other, about in known.items() if other.partition("_")[2] == script]
    return same if len(same) >= _SAME_SCRIPT else [about["tokens_per_character"] for about in known.values()]


def _neighbours(found: Mapping[str, Any]) -> list[str]:
    """The nearest by descent first, then by the encoder's vectors, without repetition."""
    by_lineage, by_vectors = ([code for code, _ in found.get(way, ())] for way in ("by_lineage", "by_vectors"))
    mixed = [code for pair in zip(by_lineage, by_vectors) for code in pair] or by_lineage or by_vectors
    return list(dict.fromkeys(mixed))[:_NEIGHBOURS]


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return 0.0
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
