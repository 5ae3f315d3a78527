"""The example that holds two transfer studies against each other."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from examples import transfer_agreement
from examples.transfer_agreement import agreement


DONORS, TARGETS = ["eng_Latn", "tur_Latn", "wol_Latn", "yor_Latn"], ["mlt_Latn", "tel_Telu", "uig_Arab"]
PAIRS = list(itertools.product(DONORS, TARGETS))


def scored(values: np.ndarray) -> dict[tuple[str, str], float]:
    return {pair: float(value) for pair, value in zip(PAIRS, values)}


def test_pairs_and_donors_are_ranked() -> None:
    one, other = np.random.default_rng(0).normal(size=(2, len(PAIRS)))
    told = agreement(scored(one), {**scored(other), ("kin_Latn", "mlt_Latn"): 9.0})
    assert told[0] == len(PAIRS)
    assert told[1] == pytest.approx(spearmanr(one, other).statistic)
    means = [each.reshape(len(DONORS), len(TARGETS)).mean(axis=1) for each in (one, other)]
    assert told[2] == pytest.approx(spearmanr(*means).statistic)
    assert told[3:] == pytest.approx([one.mean(), other.mean()])
    # A study agrees with itself, and one in which nothing moved with none.
    assert agreement(scored(one), scored(2 * one))[1:3] == pytest.approx([1.0, 1.0])
    assert agreement(scored(one), scored(0 * one))[1:3] == [None, None]


class Studies:
    """Two studies on disk: the second has the first's scores for repeat 1 and others for repeat 0."""

    def __init__(self, folder: Path) -> None:
        self.second = folder.name == "second"

    def __enter__(self) -> Studies:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def scores(self) -> list[dict[str, Any]]:
        shared: dict[str, Any] = {"fusion": None, "task": "pos", "metric": "macro_f1", "n": 9}
        rows = [
            {**shared, "kind": "baseline", "languages": (), "repeat": 0, "target": code, "step": 0, "value": 0.5}
            for code in TARGETS
        ]
        for repeat in range(2):
            values = np.random.default_rng(repeat if self.second else 1).uniform(size=len(PAIRS))
            for (donor, target), value in zip(PAIRS, values):
                one = {"kind": "tuning", "languages": (donor,), "repeat": repeat, "target": target, "step": 10}
                rows.append({**shared, **one, "value": float(value)})
        return rows


def test_repeats_can_be_told_apart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(transfer_agreement, "StudyDatabase", Studies)

    def told(*flags: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["transfer_agreement", "--studies", "first", "second", *flags])
        transfer_agreement.main()
        return capsys.readouterr().out.splitlines()[-1].strip("| ").split(" | ")

    assert told("--repeats", "0", "--against", "1")[:5] == ["pos", "10", "12", "1.000", "1.000"]
    assert told("--repeats", "0", "--against", "0")[3] != "1.000"
