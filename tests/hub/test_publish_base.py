from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hf_mplm.hub.publish_base import name_base
from hf_mplm.hub.publishing import plan_publication


KEY = "base_model_name_or_path"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Low-rank weights beside the folder of their base."""
    (tmp_path / "start").mkdir()
    made = tmp_path / "made"
    (made / "base").mkdir(parents=True)
    (made / "member").mkdir()
    settings = {KEY: "../start", "peft_type": "LORA", "r": 2}
    (made / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    save_file({"weight": np.ones(2, np.float32)}, made / "adapter_model.safetensors")
    return made


def test_a_base_that_only_this_machine_has_is_refused_or_named(folder: Path) -> None:
    for given in ("../start", str(folder.parent / "start"), "./elsewhere", "~/models/x", "/gone"):
        with pytest.raises(ValueError, match="--base OWNER/NAME"):
            name_base(folder, "adapter_config.json", {KEY: given}, None)
        named = name_base(folder, "adapter_config.json", {KEY: given, "r": 2}, "me/base")
        assert named == {KEY: "me/base", "r": 2}


@pytest.mark.parametrize("given", ["me/base", None, "", "None"])
def test_a_repository_and_no_base_stay(folder: Path, given: str | None) -> None:
    assert name_base(folder, "adapter_config.json", {KEY: given}, None) == {KEY: given}
    assert name_base(folder, "config.json", {KEY: "../start"}, None) == {KEY: "../start"}


def test_a_base_that_is_published_with_its_members_stays(folder: Path) -> None:
    assert name_base(folder, "member/adapter_config.json", {KEY: "../base"}, None) == {KEY: "../base"}
    # Which leads out of the folder, and not into it.
    with pytest.raises(ValueError, match="only this machine"):
        name_base(folder, "member/adapter_config.json", {KEY: "../../start"}, None)
    with pytest.raises(ValueError, match="only this machine"):
        name_base(folder, "member/adapter_config.json", {KEY: ".."}, None)


def test_a_push_tells_others_where_the_base_is(folder: Path) -> None:
    with pytest.raises(ValueError, match="publish that first"), plan_publication(folder, "me/made"):
        pass
    with plan_publication(folder, "me/made", base="me/base") as publication:
        content = publication.files["adapter_config.json"]
        assert isinstance(content, bytes) and json.loads(content)[KEY] == "me/base"
        assert "base_model: me/base" in publication.card and "base_model_relation: adapter" in publication.card
        assert 'load_model("me/made")' in publication.card
