from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from transformers import HfArgumentParser

from hf_mplm.data.batches.schedules import Schedule


STEPS = [[0.0, 0.30], [0.6, 0.15], [0.9, 0.05]]


def test_a_number_is_the_same_at_every_draw_and_needs_no_length():
    schedule = Schedule.parse(0.15)
    assert schedule.at(0) == schedule.at(10**9) == 0.15
    assert not schedule.needs_num_draws


def test_steps_hold_from_their_breakpoint_to_the_next():
    schedule = Schedule.parse(STEPS)
    assert [schedule.at(t, 100) for t in (0, 59, 60, 89, 90, 99)] == [0.30, 0.30, 0.15, 0.15, 0.05, 0.05]
    assert schedule.at(10_000, 100) == 0.05  # beyond the end


def test_steps_in_draws_do_not_depend_on_the_length():
    schedule = Schedule.parse([[0, 0.3], [1000, 0.1]])
    assert [schedule.at(t) for t in (999, 1000)] == [0.3, 0.1]
    assert not schedule.needs_num_draws
    assert schedule.at(999, 10) == 0.3


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_ramps_follow_their_formula(kind):
    schedule = Schedule.parse({"start": 0.7, "end": 0.3, "kind": kind})
    for draw in range(0, 401, 50):
        fraction = draw / 400
        share = fraction if kind == "linear" else (1 - math.cos(math.pi * fraction)) / 2
        assert schedule.at(draw, 400) == pytest.approx(0.7 + (0.3 - 0.7) * share)
    assert schedule.at(500, 400) == pytest.approx(0.3)


def test_values_of_many_draws_are_those_of_each():
    schedule = Schedule.parse(STEPS)
    draws = np.arange(0, 120).reshape(2, 60)
    together = schedule.values(draws, 100)
    assert together.shape == draws.shape
    assert together.tolist() == [[schedule.at(t, 100) for t in row] for row in draws.tolist()]


@pytest.mark.parametrize(
    "value",
    [
        0.3,
        1,
        {"start": 0.3, "end": 0.1, "kind": "linear"},
        {"start": 0.3, "end": 0.1, "kind": "cosine"},
        STEPS,
        [[0, 0.3], [1000, 0.1]],
    ],
)
def test_json_and_string_forms_make_the_same_schedule(value):
    schedule = Schedule.parse(value)
    assert Schedule.parse(json.loads(json.dumps(schedule.to_value()))) == schedule
    assert Schedule.parse(str(schedule)) == schedule
    assert Schedule.parse(json.dumps(value)) == schedule
    assert Schedule.parse(schedule) is schedule


@dataclass
class Arguments:
    mask_rate: str = "0.15"


@pytest.mark.parametrize("text", ["0.3", '{"start": 0.3, "end": 0.1, "kind": "cosine"}', json.dumps(STEPS)])
def test_a_command_line_takes_every_form(text):
    (arguments,) = HfArgumentParser(Arguments).parse_args_into_dataclasses(["--mask_rate", text])
    assert Schedule.parse(arguments.mask_rate) == Schedule.parse(json.loads(text))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("fast", "not JSON"),
        (True, "it must be"),
        (None, "it must be"),
        ([], "begin at 0"),
        ([[0.1, 0.3]], "begin at 0"),
        ([[0, 0.3], [0.6, 0.1], [0.5, 0.2]], "begin at 0 and rise"),
        ([[0, 0.3], [1, 0.1]], "all below 1"),
        ([[0, 0.3], [0.5, 0.2], [100, 0.1]], "all whole"),
        ([0.3, 0.2], "a step is"),
        ({"start": 0.3}, "it must be"),
        ({"start": 0.3, "end": 0.1, "kind": "square"}, "it must be"),
        ({"start": 0.3, "end": 0.1, "stop": 3}, "it must be"),
        (1.5, "between 0.0 and 1.0"),
        (float("nan"), "between 0.0 and 1.0"),
        ([[0, 0.3], [0.5, -0.1]], "between 0.0 and 1.0"),
    ],
)
def test_bad_values_are_refused_by_name(value, message):
    with pytest.raises(ValueError, match="mask_rate") as error:
        Schedule.parse(value, name="mask_rate", minimum=0.0, maximum=1.0)
    assert message in str(error.value)


def test_a_schedule_over_fractions_asks_for_the_length():
    with pytest.raises(ValueError, match="num_draws"):
        Schedule.parse(STEPS).at(3)
