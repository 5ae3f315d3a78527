"""An experiment without models: its scores come of a known formula."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hf_mplm.transfer.study.unit import CellScore, Unit


@dataclass
class Planted:
    """score = base of the target x (1 + gift of the donor + noise of the repeat).

    Args:
        gifts (`dict[str, float]`): of each donor.
        base (`dict[str, float]`): of each target.
        fails (`Sequence[Unit]`): units that raise.
        seconds (`float`): that a unit takes.
    """

    gifts: dict[str, float]
    base: dict[str, float] = field(default_factory=lambda: {"swh_Latn": 0.5, "tha_Thai": 0.25})
    fails: Sequence[Unit] = ()
    seconds: float = 0.0
    noise: float = 0.01
    runs: list[Unit] = field(default_factory=list)

    def digests(self) -> dict[str, str]:
        return {"base": str(sorted(self.gifts.items()))}

    def targets(self) -> dict[str, list[str]]:
        return {"pos": list(self.base)}

    def run(self, unit: Unit) -> list[CellScore]:
        self.runs.append(unit)
        time.sleep(self.seconds)
        if unit in self.fails:
            raise ValueError("it diverged")
        scores = []
        for place, (target, base) in enumerate(self.base.items()):
            gift = self.gifts[unit.languages[0]] if unit.languages else 0.0
            shaken = self.noise * (((unit.repeat * 7 + place * 3) % 5) - 2) if unit.kind == "tuning" else 0.0
            for step in (1, 10) if unit.kind == "tuning" else (0,):
                scores.append(CellScore("pos", target, step, "accuracy", base * (1 + gift * step / 10 + shaken), 100))
        return scores


def planted(settings: dict[str, Any]) -> Planted:
    """A function of a module, as a cluster needs it."""
    return Planted(settings["gifts"], seconds=settings.get("seconds", 0.0))


def work(folder: str, seconds: float) -> None:
    """What another process runs."""
    from hf_mplm.transfer.study.worker import run_units

    os.environ["OMP_NUM_THREADS"] = "1"
    run_units(folder, Planted(GIFTS, seconds=seconds), lease_seconds=3)


GIFTS = {"deu_Latn": 0.2, "kat_Geor": -0.1, "rus_Cyrl": 0.05}
