"""Making a study: its units, and what their numbers depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .database import StudyDatabase
from .unit import Experiment, Unit
from .units import combination_counts


__all__ = ["Planned", "check_digests", "plan_study"]

# Where things stand, and what runs them, decides on no number.
_PLACES = ("model", "modules", "data_dir", "store", "language_adapters", "device")
_BYTES_A_SCORE = 120


@dataclass(frozen=True)
class Planned:
    """What a study will do.

    Args:
        units (`int`): how many.
        by_kind (`dict[str, int]`): kind -> units.
        combinations (`dict[int, int]`): size of a combination -> units.
        cells (`int`): pairs of a unit's step and a target of a task.
        megabytes (`float`): size of the database when all is done, about.
        is_new (`bool`): whether it was not there before.
    """

    units: int
    by_kind: dict[str, int]
    combinations: dict[int, int]
    cells: int
    megabytes: float
    is_new: bool


def plan_study(
    folder: str | Path,
    settings: Mapping[str, Any],
    experiment: Experiment,
    units: Sequence[Unit],
    *,
    steps: Sequence[int],
) -> Planned:
    """Write the units of a study into its folder, or find them there.

    Args:
        folder (`str` or `Path`): the study.
        settings (`Mapping`): everything that its numbers depend on and where it stands, values that JSON holds.
        experiment (`Experiment`): what will run the units; its digests are kept.
        units (`Sequence[Unit]`): what to run.
        steps (`Sequence[int]`): after which a tuning is scored.

    Raises:
        ValueError: if the folder holds a study of other settings or other content, naming what differs; or there is
            nothing to score.
    """
    targets = experiment.targets()
    n_targets = sum(map(len, targets.values()))
    if not n_targets:
        raise ValueError(
            f"none of the tasks {', '.join(targets) or '(none)'} has test data of a target; see --data_dir, --targets"
        )
    digests = experiment.digests()
    with StudyDatabase(folder, create=True) as database:
        before = database.settings()
        if before:
            differing = _differences(before["settings"], dict(settings))
            differing += [f"content of {name}" for name in _changed(before["digests"], digests)]
            if differing:
                raise ValueError(
                    f"{folder} holds a study of other settings, and its numbers would mix: {'; '.join(differing)}. "
                    "Repeat the earlier command, or give another --study"
                )
        database.plan({"settings": dict(settings), "digests": digests, "targets": targets}, units)
        units = database.units()
    by_kind: dict[str, int] = {}
    cells = 0
    for unit in units:
        by_kind[unit.kind] = by_kind.get(unit.kind, 0) + 1
        if unit.kind == "combination":
            cells += sum(code in targets[task] for task in targets for code in unit.languages)
        else:
            cells += n_targets * (len(steps) if unit.kind == "tuning" else 1)
    return Planned(len(units), by_kind, combination_counts(units), cells, cells * 2 * _BYTES_A_SCORE / 1e6, not before)


def check_digests(folder: str | Path, experiment: Experiment) -> None:
    """Refuse to go on with other models, text or test files than the study began with.

    Args:
        folder (`str` or `Path`): the study.
        experiment (`Experiment`): what will run the units.

    Raises:
        ValueError: if something differs.
    """
    with StudyDatabase(folder) as database:
        before = database.settings()
    if not before:
        raise ValueError(f"{folder} holds no plan; make one by: hf-mplm transfer plan --study {folder}")
    if changed := _changed(before["digests"], experiment.digests()):
        raise ValueError(
            f"what the study in {folder} began with has changed since: {', '.join(changed)}. Put it back, or plan "
            "another study"
        )


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"--{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if name not in _PLACES and before.get(name) != now.get(name)
    ]
