"""What languages score themselves, after tuning on them and under language adapters, beside the base (Table 2)."""

from __future__ import annotations

from collections import defaultdict
from typing import TypedDict

import numpy as np

from .rows import count_steps
from .table import Scores


__all__ = ["OwnScore", "own_scores"]


class OwnScore(TypedDict):
    """A language's own score in one `setting`: `base`, `10 steps`, or `2 adapters, trained`; a mean over `n` numbers.

    Those are repeats of a tuning on the language itself, or combinations that it is a part of.
    """

    task: str
    language: str
    setting: str
    score: float
    n: int


def own_scores(scores: Scores) -> list[OwnScore]:
    """Collect the scores of languages that were tuned on or have adapters.

    Args:
        scores (`Scores`): what was measured.
    """
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (task, step, language, target), repeats in sorted(scores.tuned.items()):
        if language == target:
            found[task, language][count_steps(step)] += repeats.values()
    for (task, fusion, languages), values in sorted(
        scores.combined.items(), key=lambda item: (item[0][0], len(item[0][2]), item[0][1:])
    ):
        setting = f"{len(languages)} adapters, {fusion}" if len(languages) > 1 else "1 adapter"
        for code, value in values.items():
            found[task, code][setting].append(value)
    rows: list[OwnScore] = []
    for (task, code), settings in sorted(found.items()):
        before = {"base": [scores.base[task, code]]} if (task, code) in scores.base else {}
        for setting, numbers in {**before, **settings}.items():
            rows.append(
                {
                    "task": task,
                    "language": code,
                    "setting": setting,
                    "score": float(np.mean(numbers)),
                    "n": len(numbers),
                }
            )
    return rows
