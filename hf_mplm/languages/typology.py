"""Where a language stands in Glottolog's tree and on the globe, and what URIEL knows of its grammar and sounds.

The table is `typology.tsv`, whose head names its sources; it is read when it is first needed. A code is looked up as
`parse_code` understands it, so that a macrolanguage finds the member that FLORES-200 writes it by (`ara` Standard
Arabic, `lav` Standard Latvian), and the values of the macrolanguage fill in what is not known of the member alone.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from hf_mplm._lists import as_list

from . import tables
from .codes import LanguageScript, resolve_language


__all__ = ["DOMAINS", "branch", "coordinates", "feature_names", "feature_states", "features", "glottocode", "lineage"]

# URIEL's three kinds of features, by the prefix of their names.
DOMAINS = MappingProxyType({"syntax": "S_", "phonology": "P_", "inventory": "INV_"})

# How a feature that no source knows, or on which sources are even, stands among 0 and 1.
UNKNOWN = 2
# Between the names of a lineage: commas and semicolons occur in names.
SEPARATOR = " > "
_PER_CHARACTER = 4
# The first of the 3^4 characters that stand for four states: no quote, no comment sign, no space among them.
_FIRST = ord("(")


class Typology(NamedTuple):
    """One row of typology.tsv."""

    glottocode: str
    coordinates: tuple[float, float] | None
    lineage: tuple[str, ...]
    packed: tuple[str, ...]


_NOTHING = Typology("", None, (), ("",) * len(DOMAINS))


def lineage(code: str | LanguageScript) -> tuple[str, ...]:
    """The groups of Glottolog that a language belongs to, from the top-level family down, without itself.

    Args:
        code (`str`): A code that `parse_code` takes; its script may be missing.

    Returns:
        `tuple[str, ...]`: Names, for example `("Uralic", "Finnic", ...)`. The first is what `family_name` gives. An
        isolate has its own name alone; of a language that the table does not hold, nothing is known: `()`.

    Raises:
        ValueError: Not a code.
    """
    return _entry(code).lineage


def branch(code: str | LanguageScript, depth: int = 3) -> str:
    """The group of a language at one depth of its lineage, or its smallest one where the lineage is shorter.

    Args:
        code (`str`): A code that `parse_code` takes; its script may be missing.
        depth (`int`, *optional*, defaults to 3): 1 is the family. At 3, Indo-European has its well-known branches, for
            Glottolog puts all of them but Anatolian and Tocharian under one node.

    Returns:
        `str`: For example `"Germanic"`, or `"unknown"`.

    Raises:
        ValueError: Not a code, or a depth below 1.
    """
    if depth < 1:
        raise ValueError(f"a lineage is cut at depth 1 (the family) or deeper, not at {depth}")
    names = lineage(code)[:depth]
    return names[-1] if names else "unknown"


def coordinates(code: str | LanguageScript) -> tuple[float, float] | None:
    """Glottolog's point for a language: latitude and longitude in degrees, north and east positive.

    Args:
        code (`str`): A code that `parse_code` takes; its script may be missing.

    Returns:
        `tuple[float, float]`: The point, or `None` where there is none.

    Raises:
        ValueError: Not a code.
    """
    return _entry(code).coordinates


def glottocode(code: str | LanguageScript) -> str | None:
    """Glottolog's identifier of a language, for example `"stan1293"` for English, or `None` where there is none."""
    return _entry(code).glottocode or None


def features(code: str | LanguageScript) -> dict[str, bool]:
    """What URIEL knows of a language (Littell et al. 2017): features of syntax, phonology and sound inventory.

    Args:
        code (`str`): A code that `parse_code` takes; its script may be missing.

    Returns:
        `dict[str, bool]`: Known features alone, for example `{"S_SVO": True, ...}`: whether the mean over URIEL's
        sources is above 0.5 or below. What is not known, or on which sources are even, is left out.

    Raises:
        ValueError: Not a code.
    """
    known: dict[str, bool] = {}
    for domain in DOMAINS:
        states = feature_states([code], domain)[0]
        known.update((name, bool(state)) for name, state in zip(feature_names(domain), states) if state >= 0)
    return known


@functools.cache
def feature_names(domain: str) -> tuple[str, ...]:
    """URIEL's names of the features of one domain.

    Args:
        domain (`str`): `"syntax"` (103 features), `"phonology"` (28) or `"inventory"` (158).

    Returns:
        `tuple[str, ...]`: Names, in the order of `feature_states`.

    Raises:
        ValueError: Another domain.
    """
    if domain not in DOMAINS:
        raise ValueError(f"features are of {', '.join(map(repr, DOMAINS))}, not of {domain!r}")
    return tuple(name for (name,) in tables.rows("typology_features.tsv") if name.startswith(DOMAINS[domain]))


def feature_states(codes: str | Sequence[str | LanguageScript], domain: str) -> np.ndarray:
    """The features of many languages as numbers.

    Args:
        codes (`str` or `Sequence[str]`): Codes that `parse_code` takes; scripts may be missing.
        domain (`str`): `"syntax"`, `"phonology"` or `"inventory"`.

    Shapes:
        returns (languages, features), int8: 1, 0, or -1 for what is not known.

    Raises:
        ValueError: Not a code, or another domain.
    """
    count, column = len(feature_names(domain)), list(DOMAINS).index(domain)
    codes = as_list(codes)
    states = np.full((len(codes), count), -1, dtype=np.int8)
    for row, code in zip(states, codes):
        if packed := _entry(code).packed[column]:
            row[:] = unpack(packed, count)
    states[states == UNKNOWN] = -1
    return states


def pack(states: np.ndarray) -> str:
    """Write states (0, 1 or `UNKNOWN`) as text, four a character; nothing at all where nothing is known."""
    if (states == UNKNOWN).all():
        return ""
    padded = np.full(-(-len(states) // _PER_CHARACTER) * _PER_CHARACTER, UNKNOWN)
    padded[: len(states)] = states
    numbers = padded.reshape(-1, _PER_CHARACTER) @ 3 ** np.arange(_PER_CHARACTER)
    return "".join(chr(_FIRST + number) for number in numbers)


def unpack(text: str, count: int) -> np.ndarray:
    """The `count` states that `pack` wrote."""
    numbers = np.frombuffer(text.encode("ascii"), dtype=np.uint8)[:, None] - _FIRST
    return (numbers // 3 ** np.arange(_PER_CHARACTER) % 3).reshape(-1)[:count]


def _entry(code: str | LanguageScript) -> Typology:
    return _typology().get(resolve_language(str(code)), _NOTHING)


@functools.cache
def _typology() -> dict[str, Typology]:
    entries = {}
    names: tuple[str, ...] = ()
    for language, glottocode, latitude, longitude, shown, *packed in tables.rows("typology.tsv"):
        shared, *rest = shown.split(SEPARATOR)
        names = (*names[: int(shared)], *rest)
        point = (float(latitude), float(longitude)) if latitude else None
        entries[language] = Typology(glottocode, point, names, tuple(packed))
    return entries
