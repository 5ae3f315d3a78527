"""Whether similarities of vectors follow the lexical similarity of languages (Fan et al., 2021, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .paper_tables import paper_lexical_similarity


__all__ = ["LexicalAgreement", "lexical_agreement"]


@dataclass(frozen=True)
class LexicalAgreement:
    """A correlation with lexical similarity.

    Args:
        pearson (`float`): NaN for fewer than three pairs.
        low (`float`): lower end of its 95 % bootstrap interval.
        high (`float`): upper end.
        pairs (`int`): pairs of languages that it rests on, of 15.
        languages (`tuple[str, ...]`): which languages.
    """

    pearson: float
    low: float
    high: float
    pairs: int
    languages: tuple[str, ...]


def lexical_agreement(
    codes: Sequence[str], similarities: np.ndarray, draws: int = 1000, seed: int = 0
) -> LexicalAgreement:
    """Pearson's correlation of similarities with Table 8 of the paper, over its pairs that are there.

    The interval is over pairs, which are drawn with replacement. They share languages, so that it is too narrow if
    anything.

    Args:
        codes (`Sequence[str]`): language-script codes.
        similarities (`np.ndarray`): such as cosines.
        draws (`int`, *optional*, defaults to 1,000): of the bootstrap.
        seed (`int`, *optional*, defaults to 0): of the draws.

    Shapes:
        similarities: (languages, languages).
    """
    table = paper_lexical_similarity()
    own = {code: row for row, code in enumerate(codes)}
    pairs = [
        (own[first], own[second], table.matrix[i, j])
        for i, first in enumerate(table.codes)
        for j, second in enumerate(table.codes[:i])
        if first in own and second in own and not np.isnan(table.matrix[i, j])
    ]
    used = tuple(code for code in table.codes if any(own.get(code) in pair[:2] for pair in pairs))
    if len(pairs) < 3:
        return LexicalAgreement(float("nan"), float("nan"), float("nan"), len(pairs), used)
    ours = np.array([similarities[i, j] for i, j, _ in pairs])
    lexical = np.array([value for _, _, value in pairs])
    chosen = np.random.default_rng(seed).integers(0, len(pairs), (draws, len(pairs)))
    drawn = _pearson(ours[chosen], lexical[chosen])
    # A draw of one pair alone has no correlation.
    low, high = np.nanquantile(drawn, (0.025, 0.975)) if np.isfinite(drawn).any() else (np.nan, np.nan)
    return LexicalAgreement(float(_pearson(ours, lexical)), float(low), float(high), len(pairs), used)


def _pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Along the last axis; NaN where one of the two is constant."""
    first = first - first.mean(axis=-1, keepdims=True)
    second = second - second.mean(axis=-1, keepdims=True)
    scale = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = np.where(scale > 1e-12, (first * second).sum(axis=-1) / scale, np.nan)
    return found
