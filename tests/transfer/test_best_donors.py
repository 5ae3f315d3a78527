from __future__ import annotations

from typing import Any

import pytest

from hf_mplm.transfer.findings.best_donors import commonality


def ranks(task: str, *order: str, step: int = 1) -> list[Any]:
    return [
        {"task": task, "step": step, "rank": place, "language": code, "ts": 1.0 / place}
        for place, code in enumerate(order, start=1)
    ]


def test_common_donors_are_those_by_hand() -> None:
    rows = [
        *ranks("pos", "a", "b", "c", "d"),
        *ranks("ner", "b", "a", "d", "c"),
        *ranks("qa", "d", "a", "b", "x", "c"),
    ]
    found = {(tuple(one["tasks"]), one["top"]): one for one in commonality(reversed(rows))}
    assert [found[("ner", "pos"), top]["common"] for top in (1, 2, 3, 4)] == [0, 2, 2, 4]
    # What has a rank in one task alone is no candidate: of qa, x is left out.
    assert [found[("ner", "pos", "qa"), top]["languages"] for top in (1, 2, 3)] == [[], ["a"], ["a", "b"]]
    assert found[("ner", "pos", "qa"), 4]["common"] == found[("ner", "pos", "qa"), 4]["n"] == 4
    assert found[("ner", "pos"), 2]["by_chance"] == pytest.approx(2 * 2 / 4)
    assert found[("ner", "pos", "qa"), 2]["by_chance"] == pytest.approx(2 * (2 / 4) ** 2)


def test_one_task_has_nothing_in_common_and_steps_stay_apart() -> None:
    assert commonality(ranks("pos", "a", "b")) == []
    rows = [*ranks("pos", "a", "b"), *ranks("ner", "a", "b"), *ranks("pos", "a", "b", step=10)]
    rows += ranks("ner", "b", "a", step=10)
    assert [(one["step"], one["top"], one["common"]) for one in commonality(rows)] == [
        (1, 1, 1),
        (1, 2, 2),
        (10, 1, 0),
        (10, 2, 2),
    ]
    nothing = ranks("ner", "a")
    nothing[0]["ts"] = None
    assert commonality([*ranks("pos", "a"), *nothing]) == []
