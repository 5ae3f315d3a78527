"""The scores of a study, by what they are scores of."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hf_mplm.evaluation.callback import PRIMARY


__all__ = ["Scores"]


@dataclass
class Scores:
    """What a study measured, one metric a task. Cells that failed are not in it.

    Args:
        metrics (`dict[str, str]`): task to the metric that its numbers are of.
        base (`dict[tuple[str, str], float]`): (task, target) to the score of the base as it is.
        tuned (`dict[tuple[str, int, str, str], dict[int, float]]`): (task, step, transfer language, target) to the
            score of each repeat.
        combined (`dict[tuple[str, str, tuple[str, ...]], dict[str, float]]`): (task, fusion, sorted languages) to the
            score of each of the languages; the fusion of a single language is `""`.
        examples (`dict[tuple[str, str], int]`): (task, target) to the examples that were scored.
        not_finite (`int`): rows that were left out because their value is not a finite number.
    """

    metrics: dict[str, str] = field(default_factory=dict)
    base: dict[tuple[str, str], float] = field(default_factory=dict)
    tuned: dict[tuple[str, int, str, str], dict[int, float]] = field(default_factory=dict)
    combined: dict[tuple[str, str, tuple[str, ...]], dict[str, float]] = field(default_factory=dict)
    examples: dict[tuple[str, str], int] = field(default_factory=dict)
    not_finite: int = 0

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Scores:
        """Sort the rows of finished cells.

        Of a task with several metrics the main one is taken: the first of `PRIMARY` that it has.

        Args:
            rows (`Iterable[Mapping[str, Any]]`): with the keys `kind` (`baseline`, `tuning` or `combination`),
                `languages`, `repeat`, `fusion`, `task`, `target`, `step`, `metric`, `value` and `n`.

        Raises:
            ValueError: If a kind is not known, a tuning is not of one language, or a cell occurs with two values.
        """
        rows = list(rows)
        found: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            found[row["task"]].add(row["metric"])
        scores = cls(metrics={task: _main(found[task]) for task in sorted(found)})
        for row in rows:
            if row["metric"] != scores.metrics[row["task"]]:
                continue
            if math.isfinite(row["value"]):
                scores._add(row)
            else:
                scores.not_finite += 1
        return scores

    def _add(self, row: Mapping[str, Any]) -> None:
        task, target, languages = row["task"], row["target"], tuple(sorted(row["languages"]))
        value = float(row["value"])
        self.examples[task, target] = int(row["n"])
        if row["kind"] == "baseline":
            _put(self.base, (task, target), value)
        elif row["kind"] == "tuning":
            if len(languages) != 1:
                raise ValueError(f"a tuning is of one language, not of {', '.join(languages) or 'none'}")
            repeats = self.tuned.setdefault((task, int(row["step"]), languages[0], target), {})
            _put(repeats, int(row["repeat"]), value)
        elif row["kind"] == "combination":
            fusion = row["fusion"] if len(languages) > 1 else ""
            _put(self.combined.setdefault((task, fusion, languages), {}), target, value)
        else:
            raise ValueError(f"{row['kind']!r} is no kind of unit; there are baseline, tuning and combination")


def _main(metrics: set[str]) -> str:
    return next((name for name in PRIMARY if name in metrics), min(metrics))


def _put(cells: dict[Any, float], key: Any, value: float) -> None:
    if cells.setdefault(key, value) != value:
        raise ValueError(f"the cell {key} has two values, {cells[key]} and {value}; give each finished cell once")
