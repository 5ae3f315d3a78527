"""Sequential stopping: a language gets no more repeats when all that they could tell is known."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .database import StudyDatabase
from .unit import Unit


__all__ = ["StoppingRule", "units_to_spare"]

_ERROR = 0.05


@dataclass(frozen=True)
class StoppingRule:
    """When a pair of transfer language and target is decided.

    It is where the standard error of its transfer score is at most `target_sem`, or where its interval (Student's t
    over repeats) excludes 0. A tuning scores all targets at once, so that a language stops when all of its pairs are
    decided.

    The interval is looked at after each repeat from `min_repeats` to `max_repeats`. So that a pair without an effect
    is taken for one with an effect in 5 % of all studies at most, and not in 5 % at each look, its error is parted
    among the looks in equal shares (Bonferroni).

    Args:
        target_sem (`float`): standard error of a transfer score, a fraction of the base's score.
        max_repeats (`int`, *optional*, defaults to 10): repeats at most.
        min_repeats (`int`, *optional*, defaults to 3): repeats before which nothing is decided: two that agree by
            chance have an interval that is too narrow.
    """

    target_sem: float
    max_repeats: int = 10
    min_repeats: int = 3

    @property
    def confidence(self) -> float:
        """That of the interval at each look."""
        return 1 - _ERROR / max(1, self.max_repeats - self.min_repeats + 1)

    def decided(self, relative: np.ndarray) -> np.ndarray:
        """Which pairs are decided. Shapes: (repeats, pairs) -> (pairs,).

        Args:
            relative (`np.ndarray`): transfer score of each repeat.
        """
        repeats = len(relative)
        if repeats < max(2, self.min_repeats):
            return np.zeros(relative.shape[1], dtype=bool)
        error = relative.std(axis=0, ddof=1) / np.sqrt(repeats)
        half = stats.t.ppf((1 + self.confidence) / 2, repeats - 1) * error
        return np.asarray((error <= self.target_sem) | (np.abs(relative.mean(axis=0)) > half))


def units_to_spare(database: StudyDatabase, rule: StoppingRule) -> list[Unit]:
    """Open repeats of the languages that need no more.

    Args:
        database ([`StudyDatabase`]): the study.
        rule ([`StoppingRule`]): when a pair is decided.
    """
    still_open = [unit for unit in database.units("open") if unit.kind == "tuning"]
    if not still_open:
        return []
    base: dict[tuple[str, str, str], float] = {}
    tuned: dict[str, dict[tuple[str, str, str, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in database.scores():
        key = (row["task"], row["target"], row["metric"])
        if row["kind"] == "baseline":
            base[key] = row["value"]
        elif row["kind"] == "tuning":
            tuned[row["languages"][0]][key + (row["step"],)].append(row["value"])
    spared = []
    for code in {unit.languages[0] for unit in still_open}:
        columns = [
            [(value - base[key[:3]]) / base[key[:3]] for value in values]
            for key, values in tuned.get(code, {}).items()
            if base.get(key[:3])
        ]
        if columns and len({len(column) for column in columns}) == 1 and rule.decided(np.array(columns).T).all():
            spared += [unit for unit in still_open if unit.languages[0] == code]
    return spared
