"""Similarities of languages as linguists know them: of descent, place, grammar, sounds and script."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .codes import parse_code
from .typology import coordinates, feature_states, lineage


__all__ = [
    "MIN_KNOWN_FEATURES",
    "genealogical_similarity",
    "geographical_similarity",
    "same_script",
    "typological_similarity",
]

MIN_KNOWN_FEATURES = 10
"""Features that must be known of both languages of a pair for a similarity to be known."""

# Mean radius of the Earth, in kilometres (IUGG).
_RADIUS = 6371.0088


def genealogical_similarity(codes: Sequence[str]) -> np.ndarray:
    """Twice the groups that two lineages share, by the sum of the lineages' lengths: 1 for sisters, 0 for strangers.

    Args:
        codes (`Sequence[str]`): language-script codes.

    Shapes:
        returns (languages, languages); NaN where a lineage is unknown.
    """
    lineages = [lineage(code) for code in codes]
    lengths = np.array([len(names) for names in lineages])
    deepest = lengths.max(initial=0)
    # A group is told by the whole way to it: its name may stand at two places of the tree.
    groups: dict[tuple[str, ...], int] = {}
    coded = np.full((len(codes), deepest), -1)
    for row, names in enumerate(lineages):
        for depth in range(len(names)):
            coded[row, depth] = groups.setdefault(names[: depth + 1], len(groups))
    shared = np.zeros((len(codes), len(codes)))
    for level in coded.T:
        shared += (level[:, None] == level) & (level >= 0)
    total = (lengths[:, None] + lengths).astype(np.float64)
    known = (lengths[:, None] > 0) & (lengths > 0)
    return np.divide(2 * shared, total, out=np.full_like(total, np.nan), where=known)


def geographical_similarity(codes: Sequence[str]) -> np.ndarray:
    """The great-circle distance of two languages' points, negative so that near is more.

    Args:
        codes (`Sequence[str]`): language-script codes.

    Shapes:
        returns (languages, languages), in kilometres, 0 or below; NaN where a point is unknown.
    """
    points = np.array([coordinates(code) or (np.nan, np.nan) for code in codes], dtype=np.float64).reshape(-1, 2)
    latitude, longitude = np.radians(points.T)
    half = (
        np.sin((latitude[:, None] - latitude) / 2) ** 2
        + np.cos(latitude)[:, None] * np.cos(latitude) * np.sin((longitude[:, None] - longitude) / 2) ** 2
    )
    return -2 * _RADIUS * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


def typological_similarity(codes: Sequence[str], domain: str, min_known: int = MIN_KNOWN_FEATURES) -> np.ndarray:
    """The share of URIEL's features, among those known of both languages, in which they agree.

    Args:
        codes (`Sequence[str]`): language-script codes.
        domain (`str`): `"syntax"`, `"phonology"` or `"inventory"`.
        min_known (`int`, *optional*, defaults to 10): features that must be known of both.

    Shapes:
        returns (languages, languages); NaN where fewer are known.
    """
    states = feature_states(codes, domain)
    yes, no = (states == 1).astype(np.float32), (states == 0).astype(np.float32)
    same = (yes @ yes.T + no @ no.T).astype(np.float64)
    known = ((yes + no) @ (yes + no).T).astype(np.float64)
    return np.divide(same, known, out=np.full_like(known, np.nan), where=known >= max(min_known, 1))


def same_script(codes: Sequence[str]) -> np.ndarray:
    """1 for two languages in one script, 0 otherwise. Shape: (languages, languages)."""
    scripts = np.array([parse_code(code).script for code in codes])
    return (scripts[:, None] == scripts).astype(np.float64)
