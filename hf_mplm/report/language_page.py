"""A map of languages as a page that a reader can search, colour and zoom, in one file that opens offline."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from .page import Page


__all__ = ["MOST_NEAREST", "language_page"]

MOST_NEAREST = 10
"""Nearest languages that the page shows of each."""


def language_page(
    title: str,
    codes: Sequence[str],
    names: Sequence[str],
    *,
    groups: Mapping[str, Sequence[str | None]],
    layouts: Mapping[str, np.ndarray],
    cosines: np.ndarray,
    errors: np.ndarray,
    first: Collection[str] = (),
) -> Page:
    """Make the page; further headings, tables and paragraphs can be added to it.

    Args:
        title (`str`): its heading.
        codes (`Sequence[str]`): the languages.
        names (`Sequence[str]`): their names.
        groups (`Mapping[str, Sequence[str | None]]`): what may colour them, such as the family: name to the group of
            each language, `None` where it is unknown. The first one is shown at first.
        layouts (`Mapping[str, np.ndarray]`): where they may stand: name to a place for each language, NaN where there
            is none. Shapes: (languages, 2).
        cosines (`np.ndarray`): by which the nearest are found. Shape: (languages, languages).
        errors (`np.ndarray`): relative standard errors, NaN where they are unknown. Shape: (languages,).
        first (`Collection[str]`, *optional*): codes that get their label before others.
    """
    row_of = {code: row for row, code in enumerate(codes)}
    data: dict[str, Any] = {
        "codes": list(codes),
        "names": list(names),
        "groups": {name: list(own) for name, own in groups.items()},
        "layouts": {name: [_place(place) for place in places] for name, places in layouts.items()},
        "nearest": [_nearest(own, row) for row, own in enumerate(np.asarray(cosines))],
        "errors": [None if not np.isfinite(error) else round(float(error), 4) for error in errors],
        "first": [row_of[code] for code in first if code in row_of],
    }
    return Page(title).data("languages", data).script("language_map")


def _place(place: np.ndarray) -> list[float] | None:
    return [float(f"{number:.4g}") for number in place] if np.isfinite(place).all() else None


def _nearest(cosines: np.ndarray, row: int) -> list[list[float]]:
    order = sorted(
        (other for other in range(len(cosines)) if other != row), key=lambda other: (-cosines[other], other)
    )
    return [[other, round(float(cosines[other]), 3)] for other in order[:MOST_NEAREST]]
