"""Agreement of two lists of numbers."""

from __future__ import annotations

from collections.abc import Sequence


__all__ = ["correlations"]


def correlations(gold: Sequence[float], found: Sequence[float]) -> dict[str, float]:
    """Pearson's and Spearman's correlation, and SemEval-2017 task 2's official score, their harmonic mean.

    Args:
        gold (`Sequence[float]`): What people said.
        found (`Sequence[float]`): What was measured, in the same order.

    Returns:
        `dict[str, float]`: `score`, `pearson` and `spearman`. The score is 0 where one of them is not positive, of
        which there is no harmonic mean.

    Raises:
        ValueError: If one of the lists holds fewer than two different numbers, which agree with nothing.
    """
    if len(set(gold)) < 2 or len(set(found)) < 2:
        raise ValueError("there are fewer than two different numbers, of which there is no correlation")
    # Here, because scipy's statistics take longer to import than most commands take to say their help.
    from scipy.stats import pearsonr, spearmanr

    pearson, spearman = float(pearsonr(gold, found).statistic), float(spearmanr(gold, found).statistic)
    score = 2 * pearson * spearman / (pearson + spearman) if min(pearson, spearman) > 0 else 0.0
    return {"score": score, "pearson": pearson, "spearman": spearman}
