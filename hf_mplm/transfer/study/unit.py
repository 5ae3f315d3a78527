from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


__all__ = ["CellScore", "Experiment", "Unit"]


@dataclass(frozen=True)
class Unit:
    """What a worker claims as a whole: it loads, tunes and scores once for all the cells that come of it.

    Args:
        kind: `baseline` (the base as it is), `tuning` (few-step masked LM on one language) or `combination`
            (language adapters under the task module).
        languages: None of a baseline, the transfer language of a tuning, one to three of a combination, sorted.
        repeat: Which repeat of a tuning, from 0.
        fusion: How a combination of several language adapters is joined: `trained`, `average` or `untrained`.
    """

    kind: str
    languages: tuple[str, ...] = ()
    repeat: int = 0
    fusion: str = ""


@dataclass(frozen=True)
class CellScore:
    """One number of the study: what `metric` of `task` a target language has after `step` steps of the unit's tuning.

    `step` is 0 for baselines and combinations; `n` counts the examples that were scored; `value` is a fraction.
    """

    task: str
    target: str
    step: int
    metric: str
    value: float
    n: int


class Experiment(Protocol):
    """What the grid asks of the room with the models: the same unit gives the same scores, bit for bit on a CPU."""

    def digests(self) -> dict[str, str]:
        """Name -> digest of content: base, modules, language adapters, stores, test files."""
        ...

    def targets(self) -> dict[str, list[str]]:
        """Task -> target languages that have test data."""
        ...

    def run(self, unit: Unit) -> list[CellScore]:
        """Runs a unit and gives the base back as it was, also when it raises."""
        ...
