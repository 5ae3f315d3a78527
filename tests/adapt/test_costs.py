from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hf_mplm.adapt import AdaptJob, AdaptSettings
from hf_mplm.adapt.costs import Costs, estimate_costs
from hf_mplm.adapt.diagnosis_page import plan_lines
from hf_mplm.adapt.encoder_facts import EncoderFacts

from .helpers import make_settings, write_text


ENCODER = EncoderFacts("xlm-roberta", "Unigram", 1000, 1000, 64, 200_000, 64_000, tied=True, languages=())
ABOUT = {"sentences": 1000, "tokens": 20_000}


def costs_of(settings: AdaptSettings, **changes: Any) -> Costs:
    run: dict[str, Any] = {"new_pieces": 0, "steps": 100, "tokens": 10_000, "flops": 1e9}
    return estimate_costs(settings, ENCODER, **{**run, **changes})


def test_hours_are_counted_operations(tmp_path: Path) -> None:
    """Six a token and parameter; a step is of 4 chunks of 32 tokens, and 0.15 of them are predicted."""
    given = {"replay_corpus": ("old",), "align_scripts": True, "align_steps": 7, "evaluations": 5}
    settings = make_settings(tmp_path, tmp_path, **given)
    a_token = 6 * (200_000 - 64_000 + 0.15 * 1000 * 64)
    second = 0.4 * 1e9
    costs = costs_of(settings, held_out=900, watched=100)
    # A forward pass is a third.
    assert costs.hours * 3600 == pytest.approx((100 * 4 * 32 + 5 * 900 / 3) * a_token / second)
    assert costs.align_hours * 3600 == pytest.approx(7 * 4 * 4 * 32 * a_token / second)
    assert costs.report_hours * 3600 == pytest.approx(2 * 2 * 1000 / 3 * a_token / second)
    assert costs_of(make_settings(tmp_path, tmp_path)).align_hours == 0


def test_all_text_that_is_kept_takes_room(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, tmp_path)
    whole = costs_of(settings, tokens=1_000_000)
    assert (costs_of(settings, tokens=3_000_000).disk - whole.disk) * 1e9 == pytest.approx(2_000_000 * 4 * 2)
    aligned = make_settings(tmp_path, tmp_path, align_scripts=True)
    pairs = costs_of(aligned, tokens=2_000_000).disk - costs_of(aligned, tokens=1_000_000).disk
    assert pairs * 1e9 == pytest.approx(1_000_000 * 4 * 2 * 3)


def lines_of(tmp_path: Path, **settings: Any) -> str:
    found = {
        "encoder": ENCODER._asdict(),
        "languages": {"wol_Latn": ABOUT},
        "advice": {"reasons": [], "replay": [], "new_pieces": 0, "max_steps": 100},
    }
    job = AdaptJob(make_settings(tmp_path, tmp_path, **{"max_steps": "1000", **settings}), tmp_path / "out")
    return "\n".join(plan_lines(found, job.plan(found)))


def test_the_plan_says_what_is_done(tmp_path: Path) -> None:
    old = write_text(tmp_path / "old", {"swh_Latn": ["habari ya dunia " * 20] * 1000})
    # 1,000 steps of 4 x 32 tokens are 6.4 passes over 20,000, and 0.7 of them with replay.
    alone = lines_of(tmp_path)
    assert "6.4 passes over the new text" in alone and "kept by distillation" in alone and "align" not in alone
    replayed = lines_of(tmp_path, replay_corpus=(str(old),), align_scripts=True, data_dir="data")
    assert "4.5 passes over the new text" in replayed and "kept by replay, 0.3 of the draws" in replayed
    assert "then 200 steps that align scripts" in replayed and "and flores, sib200, whose time" in replayed


def test_text_to_replay_is_counted(tmp_path: Path) -> None:
    lines = {"swh_Latn": ["habari ya dunia " * 20] * 1000, "eng_Latn": ["word " * 60] * 1000}
    old = write_text(tmp_path / "old", lines)
    found = {"encoder": ENCODER._asdict(), "languages": {"wol_Latn": ABOUT}, "advice": {"replay": []}}

    def disk(**settings: Any) -> float:
        given = make_settings(tmp_path, tmp_path, new_pieces="0", **settings)
        return float(AdaptJob(given, tmp_path / "out").plan(found)["disk"])

    both = disk(replay_corpus=(str(old),))
    one = disk(replay_corpus=(str(old),), replay_languages=("swh_Latn",))
    assert both > one > disk()
    # A token of four bytes is kept as four, and as much again while it is prepared.
    size = (old / "swh_Latn.txt").stat().st_size
    assert (one - disk()) * 1e9 == pytest.approx(2 * size, rel=1e-3)
