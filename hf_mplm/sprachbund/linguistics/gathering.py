"""What several folders hold side by side: views of the same languages, and sets of clusters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hf_mplm.jobs.files import read_json

from ..vectors.block_sums import BlockSums
from ..vectors.language_vectors import VECTORS_FILE, LanguageVectors


__all__ = ["gather_vectors", "paths_of_vectors"]


def gather_vectors(folders: Sequence[str | Path]) -> tuple[LanguageVectors, dict[str, list[str]]]:
    """Put the views of several folders side by side, such as an encoder's and those of its controls.

    Args:
        folders (`Sequence[str | Path]`): folders with vectors of languages.

    Returns:
        `tuple[LanguageVectors, dict[str, list[str]]]`: the vectors of the languages that all folders have, each view
        with the centre that it had, in one block; and for each folder the languages that others lack.

    Raises:
        ValueError: if there is no folder, two have a view of one name, or they have no language in common.
    """
    if not folders:
        raise ValueError("needed is at least one folder with vectors; make one with: hf-mplm sprachbund vectors")
    loaded = {str(folder): _without_blocks(LanguageVectors.load(folder)) for folder in folders}
    first = next(iter(loaded.values()))
    everywhere = set.intersection(*(set(vectors.languages) for vectors in loaded.values()))
    common = [code for code in first.languages if code in everywhere]
    if not common:
        raise ValueError(f"{', '.join(loaded)} have no language in common")
    views: dict[str, BlockSums] = {}
    centres: dict[str, np.ndarray] = {}
    origin: dict[str, str] = {}
    for folder, vectors in loaded.items():
        chosen = vectors.select(common)
        for view in vectors.views:
            if view in origin:
                raise ValueError(f"{origin[view]} and {folder} both have the view {view}; give one of them")
            views[view], centres[view], origin[view] = chosen.blocks(view), vectors.centre(view), folder
    lost = {
        folder: [code for code in vectors.languages if code not in everywhere] for folder, vectors in loaded.items()
    }
    return LanguageVectors(common, views, first.config, centres=centres), lost


def _without_blocks(vectors: LanguageVectors) -> LanguageVectors:
    """The same means and errors in a sixteenth of the memory: an analysis draws no blocks."""
    views = {}
    for view in vectors.views:
        blocks = vectors.blocks(view)
        parts = (blocks.sums, blocks.counts, blocks.squares)
        views[view] = BlockSums(*(part.sum(axis=1, keepdims=True) for part in parts))
    centres = {view: vectors.centre(view) for view in vectors.views}
    return LanguageVectors(vectors.languages, views, vectors.config, centres=centres)


def paths_of_vectors(folder: str | Path) -> list[Path]:
    """Where the vectors of a folder stand: in itself, or in a folder `vectors` within.

    Args:
        folder (`str` or `Path`): a folder that the `sprachbund` actions wrote.
    """
    places = (Path(folder), Path(folder) / "vectors")
    return [place for place in places if isinstance(read_json(place / VECTORS_FILE), dict)]
