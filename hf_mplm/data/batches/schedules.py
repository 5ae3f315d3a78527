from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Union

import numpy as np


__all__ = ["Schedule", "ScheduleValue"]

ScheduleValue = Union[float, str, Mapping, Sequence, "Schedule"]

FORMS = (
    'a number (0.3), {"start": 0.3, "end": 0.1, "kind": "linear"} (or "cosine"), '
    "or a list of steps [[0.0, 0.30], [0.6, 0.15], [0.9, 0.05]]"
)
_RAMPS = ("cosine", "linear")


@dataclass(frozen=True)
class Schedule:
    """A value that may change during training: a pure function of draw number / number of draws.

    Make one with [`Schedule.parse`], from what a recipe or a command line holds. mmBERT's two (Marone et al. 2025) are
    `[[0.0, 0.30], [0.7, 0.15], [0.9, 0.05]]` for the mask rate and the same form with 0.7, 0.5, 0.3 for alpha, with
    the breakpoints that the run's phases have.

    A field of an arguments dataclass that holds one is annotated `str`: `HfArgumentParser` builds no parser for a
    union of a number and a list, and `str` takes every form (`--mask_rate 0.15`,
    `--mask_rate '[[0, 0.3], [0.6, 0.15]]'`).

    Args:
        points (`tuple[tuple[float, float], ...]`): (breakpoint, value) pairs; the first breakpoint is 0.
        kind (`str`, *optional*, defaults to `"constant"`): `"constant"`, `"linear"`, `"cosine"` or `"steps"`.
        in_draws (`bool`, *optional*, defaults to `False`): whether breakpoints are draw numbers rather than fractions
            of training.
    """

    points: tuple[tuple[float, float], ...]
    kind: str = "constant"
    in_draws: bool = False

    @classmethod
    def parse(
        cls,
        value: ScheduleValue,
        *,
        name: str = "schedule",
        minimum: float = -math.inf,
        maximum: float = math.inf,
    ) -> Schedule:
        """Read a schedule from a recipe value.

        Args:
            value (`float`, `str`, `Mapping`, `Sequence` or `Schedule`): a number; a mapping with `start`, `end` and
                `kind` (`"linear"` or `"cosine"`); a list of (breakpoint, value) steps, each of which holds until the
                next; or any of these as JSON. Breakpoints are fractions of training if all are below 1, and draw
                numbers otherwise.
            name (`str`, *optional*, defaults to `"schedule"`): what error messages call it.
            minimum (`float`, *optional*, defaults to minus infinity): smallest value allowed.
            maximum (`float`, *optional*, defaults to infinity): largest value allowed.

        Raises:
            ValueError: when `value` has none of these forms, or a value is out of range.
        """
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except json.JSONDecodeError as error:
                raise ValueError(f"{name} is {value!r}, which is not JSON ({error}); it must be {FORMS}") from error
        if isinstance(value, Schedule):
            schedule = value
        elif _is_number(value):
            schedule = cls(((0.0, float(value)),))  # type: ignore[arg-type]
        elif isinstance(value, Mapping):
            schedule = cls._parse_ramp(value, name)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            schedule = cls._parse_steps(value, name)
        else:
            raise ValueError(f"{name} is {value!r}; it must be {FORMS}")
        for _, level in schedule.points:
            if not minimum <= level <= maximum or not math.isfinite(level):
                raise ValueError(f"{name} holds {level}, but its values must lie between {minimum} and {maximum}")
        return schedule

    @classmethod
    def _parse_ramp(cls, value: Mapping, name: str) -> Schedule:
        kind = value.get("kind", "linear")
        ends = [value.get("start"), value.get("end")]
        if set(value) - {"start", "end", "kind"} or kind not in _RAMPS or not all(map(_is_number, ends)):
            raise ValueError(f"{name} is {dict(value)!r}; it must be {FORMS}")
        return cls(((0.0, float(value["start"])), (1.0, float(value["end"]))), kind)

    @classmethod
    def _parse_steps(cls, value: Sequence, name: str) -> Schedule:
        for pair in value:
            if not isinstance(pair, Sequence) or len(pair) != 2 or not all(map(_is_number, pair)):
                raise ValueError(
                    f"{name} has the step {pair!r}, but a step is [breakpoint, value]: it must be {FORMS}"
                )
        points = tuple((float(at), float(level)) for at, level in value)
        places = [at for at, _ in points]
        if not points or places[0] != 0 or any(a >= b for a, b in zip(places, places[1:])):
            raise ValueError(f"{name} has its steps at {places}, but they must begin at 0 and rise: {FORMS}")
        in_draws = places[-1] >= 1
        if places[-1] == 1 or (in_draws and any(at != int(at) for at in places)):
            raise ValueError(
                f"{name} has its steps at {places}: give fractions of training, all below 1 "
                "([[0.0, 0.3], [0.6, 0.15]]), or draw numbers, all whole ([[0, 0.3], [60000, 0.15]])"
            )
        return cls(points, "steps", in_draws)

    @property
    def is_constant(self) -> bool:
        """Whether the value never changes."""
        return len({level for _, level in self.points}) == 1

    @property
    def needs_num_draws(self) -> bool:
        """Whether the value depends on the length of training, and not on the draw alone."""
        return not self.is_constant and not self.in_draws

    @property
    def start(self) -> float:
        """The value at draw 0."""
        return self.points[0][1]

    def at(self, draw: int, num_draws: int | None = None) -> float:
        """The value at one draw; see [`Schedule.values`]."""
        return float(self.values(np.array([draw]), num_draws)[0])

    def values(self, draws: np.ndarray, num_draws: int | None = None) -> np.ndarray:
        """The values at many draws. Beyond the last draw, the last value holds.

        Args:
            draws (`np.ndarray`): draw numbers, fractional ones too. Shape: any.
            num_draws (`int`, *optional*): draws in the whole training; only schedules over fractions of training need
                it.

        Returns:
            `np.ndarray`: values. Shape: that of `draws`, float64.

        Raises:
            ValueError: when the schedule is over fractions of training and `num_draws` is missing.
        """
        draws = np.asarray(draws, dtype=np.float64)
        if self.is_constant:
            return np.full(draws.shape, self.start)
        if not self.in_draws:
            if not num_draws or num_draws < 1:
                raise ValueError(
                    f"the schedule {self} is over fractions of training: pass num_draws= (it is {num_draws})"
                )
            draws = np.clip(draws / num_draws, 0.0, 1.0)
        places = np.array([at for at, _ in self.points])
        levels = np.array([level for _, level in self.points])
        if self.kind == "steps":
            return levels[np.searchsorted(places, draws, side="right") - 1]
        share = draws if self.kind == "linear" else (1.0 - np.cos(np.pi * draws)) / 2
        return levels[0] * (1.0 - share) + levels[1] * share

    def to_value(self) -> float | dict | list:
        """The recipe value, of JSON's types alone, from which [`Schedule.parse`] makes this schedule again."""
        if self.kind == "constant":
            return self.start
        if self.kind in _RAMPS:
            return {"start": self.start, "end": self.points[-1][1], "kind": self.kind}
        return [[int(at) if self.in_draws else at, level] for at, level in self.points]

    def __str__(self) -> str:
        return json.dumps(self.to_value())


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
