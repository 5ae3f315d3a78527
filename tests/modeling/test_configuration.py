from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoConfig

import hf_mplm
from hf_mplm.modeling import split_codes

from .models import Architecture


def test_split_codes_lists_each_once_in_order() -> None:
    codes = ["srp_Cyrl", "eng_Latn", "srp_Latn", "deu"]
    assert split_codes(codes) == (["srp", "eng", "deu"], ["Cyrl", "Latn"])


@pytest.mark.parametrize("code", ["english", "en_Latn", "eng_latn", "eng_Latin", "", "eng-Latn"])
def test_split_codes_refuses_what_is_no_code(code: str) -> None:
    with pytest.raises(ValueError, match="not a language-script code; write it as swh_Latn"):
        split_codes([code])


def test_a_round_trip_keeps_everything(architecture: Architecture, tmp_path: Path) -> None:
    config = architecture.config(
        languages=["eng", "tha"], scripts=["Latn"], use_script_embeddings=False, num_hidden_layers=5
    )
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert type(again) is architecture.config
    assert {**again.to_dict(), "_name_or_path": ""} == {**config.to_dict(), "_name_or_path": ""}
    assert (again.languages, again.scripts, again.num_hidden_layers) == (["eng", "tha"], ["Latn"], 5)
    assert again.use_language_embeddings is True and again.use_script_embeddings is False
    written = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert written["model_type"] == f"{architecture.model_type}-langscript"
    assert written["hf_mplm_version"] == hf_mplm.__version__
    assert written["languages"] == ["eng", "tha"]


def test_the_default_is_a_configuration(architecture: Architecture) -> None:
    config = architecture.config()
    assert config.languages == [] and config.scripts == []
    assert config.tie_word_embeddings is True
    assert architecture.config(tie_word_embeddings=False).tie_word_embeddings is False


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"languages": ["eng_Latn"]}, "config.languages lists ISO 639-3 codes like 'swh', not 'eng_Latn'"),
        ({"languages": ["eng", "deu", "eng"]}, "config.languages lists eng more than once"),
        ({"scripts": ["latn"]}, "config.scripts lists ISO 15924 codes like 'Latn', not 'latn'"),
        ({"scripts": [7]}, "not 7"),
    ],
)
def test_bad_lists_are_refused(architecture: Architecture, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        architecture.config(**settings)


def test_modernberts_rotary_settings_survive_a_change_of_stack(tmp_path: Path) -> None:
    """mmBERT's local theta is not the default; transformers 5 writes it under a name that 4.57 does not read."""
    from hf_mplm.modeling import ModernBertLangScriptConfig

    written_by_5 = {
        "model_type": "modernbert-langscript",
        "num_hidden_layers": 6,
        "layer_types": ["full_attention", "sliding_attention"] * 3,
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 123000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 160000.0},
        },
    }
    written_by_4 = {
        "model_type": "modernbert-langscript",
        "num_hidden_layers": 6,
        "global_attn_every_n_layers": 2,
        "global_rope_theta": 123000.0,
        "local_rope_theta": 160000.0,
    }
    for settings in (written_by_4, written_by_5):
        (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        config = ModernBertLangScriptConfig.from_pretrained(tmp_path)
        # Whichever stack this runs on, its own names hold the values.
        if hasattr(config, "global_rope_theta"):
            found = (config.global_rope_theta, config.local_rope_theta, config.global_attn_every_n_layers)
            assert found == (123000.0, 160000.0, 2)
        else:
            assert config.rope_parameters["full_attention"]["rope_theta"] == 123000.0
            assert config.rope_parameters["sliding_attention"]["rope_theta"] == 160000.0
            assert config.layer_types == ["full_attention", "sliding_attention"] * 3
