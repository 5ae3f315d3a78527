from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hf_mplm.adapt.costs import estimate_costs
from hf_mplm.adapt.encoder_facts import EncoderFacts
from hf_mplm.adapt.keeping import distils, is_unguarded, keeping_line

from .helpers import make_settings


ENCODER = EncoderFacts("xlm-roberta", "Unigram", 1000, 1000, 64, 200_000, 64_000, tied=True, languages=())
OLD = ("old",)


@pytest.mark.parametrize(
    ("given", "by"),
    [
        ({}, "distillation"),
        ({"replay_corpus": OLD}, "replay"),
        ({"replay_corpus": OLD, "new_lm_head": True}, "replay"),
        ({"distill_weight": 0.0}, "nothing"),
        ({"new_lm_head": True}, "nothing"),
    ],
)
def test_what_keeps_old_languages_is_told_and_charged_for(given: dict[str, Any], by: str, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, tmp_path, **given)
    assert f"kept by {by}" in keeping_line(settings)
    assert distils(settings) == (by == "distillation") and is_unguarded(settings) == (by == "nothing")
    plain = make_settings(tmp_path, tmp_path, replay_corpus=OLD)
    run = {"new_pieces": 0, "steps": 100, "tokens": 10_000, "flops": 1e9}
    costs, cheapest = (estimate_costs(one, ENCODER, **run) for one in (settings, plain))
    # A teacher costs forward passes, and its weights in memory.
    assert (costs.hours > cheapest.hours) == (by == "distillation")
    assert (costs.memory > cheapest.memory) == (by == "distillation")
