"""What was published loads back as the folder does: the commonest ways here, all of them in the slow test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from .loading import table_of


@pytest.mark.slow
def test_a_stranger_and_the_card_s_own_lines_load_what_was_published(tmp_path: Path) -> None:
    ways = (("package", True), ("stranger", False))
    rows = table_of({"here": sys.executable}, tmp_path, ("xlm-roberta", "static"), ways)
    assert {row["outcome"] for row in rows} == {"equal"}, rows
    assert {"transformers: encoder/", "remote code: all heads", "remote code: pipeline"} <= {
        row["way"] for row in rows
    }
    assert {row["artefact"] for row in rows if row["way"] == "the card's lines"} == {"here-xlm-roberta", "here-static"}


@pytest.mark.slow
def test_every_artefact_loads_in_every_way_on_every_stack(tmp_path: Path) -> None:
    """`HF_MPLM_OTHER_PYTHON` names the Python of the other stack."""
    other = os.environ.get("HF_MPLM_OTHER_PYTHON")
    rows = table_of({"here": sys.executable, **({"other": other} if other else {})}, tmp_path)
    assert {row["outcome"] for row in rows} == {"equal"}, [row for row in rows if row["outcome"] != "equal"]
