"""The tables of Fan et al. (2021) that an analysis is held against: its clusters, families and similarities."""

from __future__ import annotations

import functools
from importlib import resources
from typing import NamedTuple

import numpy as np


__all__ = [
    "TableSimilarities",
    "paper_clusters",
    "paper_families",
    "paper_lexical_similarity",
    "paper_vector_similarity",
]


class TableSimilarities(NamedTuple):
    """Similarities of languages as a table of the paper prints them.

    Args:
        codes (`tuple[str, ...]`): language-script codes.
        matrix (`np.ndarray`): similarities, NaN where the table has none. Shape: (languages, languages).
    """

    codes: tuple[str, ...]
    matrix: np.ndarray


@functools.cache
def paper_clusters() -> dict[str, str]:
    """Table 1: the four clusters of 108 languages, as code to number.

    The paper's codes are Wikipedia's, so that `als` is Alemannic; the script is the one that Wikipedia writes a
    language in most.
    """
    return {language: cluster for _, language, cluster in _rows("table1.tsv")}


@functools.cache
def paper_families() -> dict[str, str]:
    """Table 7: code to family, as printed. Rows have slipped (Urdu stands as Mongolic, Mongolian is missing)."""
    language_of = {code: language for code, language, _ in _rows("table1.tsv")}
    return {language_of[code]: family for family, codes in _rows("table7.tsv") for code in codes.split()}


@functools.cache
def paper_lexical_similarity() -> TableSimilarities:
    """Table 8: lexical similarity, from Ethnologue; 15 pairs of 8 languages are known."""
    return _square("table8.tsv")


@functools.cache
def paper_vector_similarity() -> TableSimilarities:
    """Table 9: the similarity of the paper's vectors of the same languages."""
    return _square("table9.tsv")


def _square(name: str) -> TableSimilarities:
    language_of = {code: language for code, language, _ in _rows("table1.tsv")}
    codes, lines = zip(*((language_of[code], cells) for code, *cells in _rows(name)))
    matrix = np.array([[np.nan if cell == "-" else float(cell) for cell in cells] for cells in lines])
    # A pair that is printed in one triangle alone is known.
    return TableSimilarities(codes, np.where(np.isnan(matrix), matrix.T, matrix))


def _rows(name: str) -> list[list[str]]:
    text = (resources.files(__package__) / "tables" / name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")][1:]
