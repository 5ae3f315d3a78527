"""The pairs of words from which a mapping begins, and those by which it is judged."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .dictionaries import Coverage, identical_pairs, locate_pairs, numeral_pairs
from .word_table import WordTable


__all__ = [
    "FROM_DICTIONARY",
    "MODES",
    "FirstDictionary",
    "first_dictionaries",
    "first_dictionary",
    "refuse_held_out",
    "say_rest",
]

logger = logging.getLogger(__name__)

FROM_DICTIONARY = ("supervised", "semi-supervised")
MODES = (*FROM_DICTIONARY, "identical", "numerals", "unsupervised")
# Words that judge a map. A tenth of a small dictionary is a handful, of which one more or less right says nothing.
_ENOUGH_WORDS = 500


class FirstDictionary(NamedTuple):
    """Positions of words in two vocabularies.

    Args:
        pairs (`Tensor`): those to fit on. Shape: (pairs, 2), int64.
        held_out (`Tensor`): those by which the map is judged; none of their source words is in `pairs`, where these
            come from the same dictionary. Shape: (held-out pairs, 2), int64.
        coverage (`Coverage`): what the vocabularies know of the dictionary that was given.
        further (`Sequence[tuple[Tensor, Tensor]]`, *optional*): where `held_out` is small, further splits of the
            same pairs into those to fit on and those to judge by. No word judges twice.
    """

    pairs: Tensor
    held_out: Tensor
    coverage: Coverage
    further: Sequence[tuple[Tensor, Tensor]] = ()


def first_dictionaries(
    tables: Sequence[WordTable],
    hub: WordTable,
    given: Mapping[str, Sequence[tuple[str, str]]],
    mode: str,
    held_out: float,
) -> list[FirstDictionary]:
    """Find the pairs to begin with of all languages, so that one without any is told before hours of computing.

    Args:
        tables (`Sequence[WordTable]`): the languages to be mapped.
        hub (`WordTable`): the hub.
        given (`Mapping[str, Sequence[tuple[str, str]]]`): dictionaries by language, see [`first_dictionary`].
        mode (`str`): one of `MODES`.
        held_out (`float`): share of a dictionary that judges.

    Raises:
        ValueError: if a language has no pair to begin with, with the line that maps the others.
    """
    found, reasons = [], {}
    for table in tables:
        try:
            found.append(first_dictionary(table, hub, given.get(table.language, ()), mode, held_out))
        except ValueError as error:
            reasons[table.language] = str(error)
    if reasons:
        rest = say_rest(tables, list(reasons))
        raise ValueError("; ".join(reasons.values()) + (f"; or leave out what has none{rest}" if rest else ""))
    return found


def refuse_held_out(first: FirstDictionary, language: str, width: int) -> None:
    """Say so where pairs that judge are missing for whitening, which needs as many as there are dimensions.

    Args:
        first (`FirstDictionary`): the pairs of a supervised mapping.
        language (`str`): its code.
        width (`int`): dimensions.

    Raises:
        ValueError: if there are enough pairs, and not without those that are held out.
    """
    fewest = min(map(len, (first.pairs, *(fitted_on for fitted_on, _ in first.further))))
    pairs = len(first.pairs) + len(first.held_out)
    if fewest < width <= pairs:
        raise ValueError(
            f"whitening {width} dimensions needs at least as many pairs, and of the {pairs:,} pairs of {language} as "
            f"many as {pairs - fewest} are held out to judge the map; give more pairs, --held_out 0, or --ridge 0.01"
        )


def say_rest(tables: Sequence[WordTable], without: Sequence[str]) -> str:
    """The line to type that maps the languages that are not in `without`; empty where there is none."""
    rest = [table.language for table in tables if table.language not in without]
    return f": --languages {' '.join(rest)}" if rest else ""


def first_dictionary(
    table: WordTable, hub: WordTable, given: Sequence[tuple[str, str]], mode: str, held_out: float
) -> FirstDictionary:
    """Find the pairs to begin with; those of `"unsupervised"`, which words do not tell, are left to its vectors.

    A dictionary that is given where the mode needs none (`"identical"`, `"numerals"`, `"unsupervised"`) only judges.

    Args:
        table (`WordTable`): the language to be mapped.
        hub (`WordTable`): the hub.
        given (`Sequence[tuple[str, str]]`): a dictionary: words of the language and of the hub; may be empty.
        mode (`str`): one of `MODES`.
        held_out (`float`): share of the dictionary that judges.

    Raises:
        ValueError: if there is no pair to begin with, naming words of both sides.
    """
    located, coverage = locate_pairs(given, table, hub)
    if given and not len(located):
        raise ValueError(_explain_nothing_shared(coverage, table, hub))
    if coverage.covered < coverage.pairs:
        logger.warning(
            "%s: %s of the %s pairs of its dictionary have no vector on one side or both and are left out, such as %s",
            table.language,
            f"{coverage.pairs - coverage.covered:,}",
            f"{coverage.pairs:,}",
            _shown([*coverage.unknown_source, *coverage.unknown_target]),
        )
    if mode in FROM_DICTIONARY:
        # What learns further takes its time, and is judged once.
        (pairs, judges), *further = _hold_out(located, held_out, _ENOUGH_WORDS if mode == "supervised" else 1)
        return FirstDictionary(pairs, judges, coverage, further)
    if mode == "unsupervised":
        return FirstDictionary(located[:0], located, coverage)
    pairs = identical_pairs(table, hub) if mode == "identical" else numeral_pairs(table, hub)
    if not len(pairs):
        what = "word" if mode == "identical" else "numeral"
        raise ValueError(
            f"{table.language} and {hub.language} have no {what} in common ({_shown(table.words)} ...; "
            f"{_shown(hub.words)} ...); give a dictionary, or --mode unsupervised"
        )
    return FirstDictionary(pairs, located, coverage)


def _explain_nothing_shared(coverage: Coverage, table: WordTable, hub: WordTable) -> str:
    return (
        f"none of the {coverage.pairs:,} pairs of {table.language} and {hub.language} has both its words among the "
        f"vectors: the dictionary has {_shown(coverage.unknown_source)} and {_shown(coverage.unknown_target)}, the "
        f"vectors {_shown(table.words)} and {_shown(hub.words)}; see whether it is the "
        "case, the script or the direction"
    )


def _shown(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words[:3])) or "no others"


def _hold_out(pairs: Tensor, share: float, enough: int) -> list[tuple[Tensor, Tensor]]:
    """Split by a hash of the source word's place, so that no source word stands on both sides.

    Args:
        pairs (`Tensor`): a dictionary.
        share (`float`): of what judges in one split.
        enough (`int`): words that judge in all splits together, after which no more are made.

    Returns:
        `list[tuple[Tensor, Tensor]]`: pairs to fit on and pairs to judge by; in one split without the latter where
        the share is 0 or there are too few pairs.
    """
    places = torch.tensor(
        [
            int.from_bytes(hashlib.blake2b(str(row).encode(), digest_size=8).digest(), "big") / 2**64
            for row in pairs[:, 0].tolist()
        ],
        dtype=torch.float64,
    )
    splits, words = [], 0
    for number in range(int(1 / share + 1e-9) if share else 0):
        chosen = (number * share <= places) & (places < (number + 1) * share)
        if chosen.any() and not chosen.all():
            splits.append((pairs[~chosen], pairs[chosen]))
            words += len(pairs[chosen, 0].unique())
        if words >= enough:
            break
    return splits or [(pairs, pairs[:0])]
