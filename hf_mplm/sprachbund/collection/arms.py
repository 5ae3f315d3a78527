"""The clusters that a collection is trained by: those that were found, and what they are held against."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..clusters.cluster import mean_cosines, pivot_of
from ..clusters.sprachbunds import Sprachbunds
from ..vectors.language_vectors import LanguageVectors


__all__ = ["Arm", "choose_arm"]

Arm = Literal["clusters", "all", "random"]


def choose_arm(
    sprachbunds: Sprachbunds, arm: Arm, *, vectors: LanguageVectors | None = None, seed: int = 42
) -> Sprachbunds:
    """The clusters as they are, all their languages in one, or languages drawn into clusters of the same sizes.

    Args:
        sprachbunds (`Sprachbunds`): clusters.
        arm (`"clusters"`, `"all"` or `"random"`): `all` is the paper's "XLM-R CT" (Fan et al., 2021, section 5.1).
        vectors (`LanguageVectors`, *optional*): by which the pivots of other clusters are found.
        seed (`int`, *optional*, defaults to 42): of `random`.

    Raises:
        ValueError: if there is no such arm, or one other than `clusters` is asked for without vectors.
    """
    if arm == "clusters":
        return sprachbunds
    if arm not in ("all", "random"):
        raise ValueError(f"there is no arm {arm!r}; needed is clusters, all or random")
    if vectors is None:
        raise ValueError(
            f"the arm {arm} needs the vectors of the languages, which decide its pivots: give --vectors FOLDER, what "
            "`hf-mplm sprachbund vectors` wrote"
        )
    codes = sorted(code for cluster in sprachbunds.clusters for code in cluster)
    sizes = [len(codes)] if arm == "all" else [len(cluster) for cluster in sprachbunds.clusters]
    order = np.random.default_rng(seed).permutation(len(codes))
    drawn = np.split(order, np.cumsum(sizes)[:-1])
    clusters = [[codes[place] for place in sorted(places)] for places in drawn]
    settings = dict(sprachbunds.settings) | ({"random": seed} if arm == "random" else {})
    cosines = vectors.cosine(settings.get("view"), bool(settings.get("center", True)))
    groups = [np.array([vectors.row(code) for code in cluster]) for cluster in clusters]
    pivots = [vectors.languages[pivot_of(cosines, rows)] for rows in groups]
    means = {code: mean_cosines(cosines, vectors.row(code), groups) for code in codes}
    return Sprachbunds(clusters, pivots, means, arm=arm, settings=settings, left_out=sprachbunds.left_out)
