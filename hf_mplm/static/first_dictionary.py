"""The pairs of words from which a mapping begins, and those by which it is judged."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .dictionaries import Coverage, identical_pairs, locate_pairs, numeral_pairs
from .self_learning import SelfLearning, initial_pairs
from .word_table import WordTable


__all__ = ["FROM_DICTIONARY", "MODES", "FirstDictionary", "first_dictionary"]

logger = logging.getLogger(__name__)

FROM_DICTIONARY = ("supervised", "semi-supervised")
MODES = (*FROM_DICTIONARY, "identical", "numerals", "unsupervised")


class FirstDictionary(NamedTuple):
    """Positions of words in two vocabularies.

    Args:
        pairs (`Tensor`): those to fit on. Shape: (pairs, 2), int64.
        held_out (`Tensor`): those by which the map is judged; none of their source words is in `pairs`, where these
            come from the same dictionary. Shape: (held-out pairs, 2), int64.
        coverage (`Coverage`): what the vocabularies know of the dictionary that was given.
    """

    pairs: Tensor
    held_out: Tensor
    coverage: Coverage


def first_dictionary(
    table: WordTable,
    hub: WordTable,
    vectors: tuple[Tensor, Tensor],
    given: Sequence[tuple[str, str]],
    mode: str,
    held_out: float,
    settings: SelfLearning,
) -> FirstDictionary:
    """Find the pairs to begin with.

    A dictionary that is given where the mode needs none (`"identical"`, `"numerals"`, `"unsupervised"`) only judges.

    Args:
        table (`WordTable`): the language to be mapped.
        hub (`WordTable`): the hub.
        vectors (`tuple[Tensor, Tensor]`): normalised vectors of both.
        given (`Sequence[tuple[str, str]]`): a dictionary: words of the language and of the hub; may be empty.
        mode (`str`): one of `MODES`.
        held_out (`float`): share of the dictionary that judges.
        settings (`SelfLearning`): of `"unsupervised"`.

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
        return FirstDictionary(*_hold_out(located, held_out), coverage)
    if mode == "unsupervised":
        return FirstDictionary(initial_pairs(*vectors, settings), located, coverage)
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
        f"vectors {_shown(table.words)} and {_shown(hub.words)}. Is it the case, the script, or the direction?"
    )


def _shown(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words[:3])) or "no others"


def _hold_out(pairs: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Split by a hash of the source word's place, so that no source word stands on both sides."""
    hashes = [
        int.from_bytes(hashlib.blake2b(str(row).encode(), digest_size=8).digest(), "big")
        for row in pairs[:, 0].tolist()
    ]
    chosen = torch.tensor([value / 2**64 < share for value in hashes], dtype=torch.bool)
    if not share or chosen.all() or not chosen.any():
        return pairs, pairs[:0]
    return pairs[~chosen], pairs[chosen]
