"""How long a study takes, from a few cells that were timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .unit import Unit


__all__ = ["CellTimes"]


@dataclass(frozen=True)
class CellTimes:
    """What the parts of a study take on one worker.

    Args:
        a_step (`float`): seconds of one step of masked LM; 0 where nothing is tuned.
        a_cell (`float`): seconds of scoring one target of one task, a mean over the timed ones.
        cells (`int`): how many were timed.
    """

    a_step: float
    a_cell: float
    cells: int

    def scoring_hours(self, cells: int) -> float:
        """Of scoring so many cells.

        Args:
            cells (`int`): pairs of a unit's step and a target of a task.
        """
        return cells * self.a_cell / 3600

    def tuning_hours(self, units: Sequence[Unit], steps: Sequence[int], schedule: str, fusion_steps: int) -> float:
        """Of all steps of masked LM, those of a trained fusion, which are somewhat cheaper, included.

        Args:
            units (`Sequence[Unit]`): what is run.
            steps (`Sequence[int]`): after which a tuning is scored.
            schedule (`str`): `"constant"`, one run for all of them, or `"paper"`, one for each.
            fusion_steps (`int`): of a trained fusion.
        """
        made = 0
        for unit in units:
            if unit.kind == "tuning":
                made += sum(steps) if schedule == "paper" else max(steps)
            elif unit.kind == "combination" and len(unit.languages) > 1 and unit.fusion == "trained":
                made += fusion_steps
        return made * self.a_step / 3600
