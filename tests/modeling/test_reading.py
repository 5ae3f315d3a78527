"""Damaged and absurd checkpoints: one line that names the file, never a traceback, nothing built that cannot be."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hf_mplm.jobs.files import DamagedError
from hf_mplm.modeling import load_masked_lm
from hf_mplm.trainers.masked_lm.from_scratch import build_encoder
from hf_mplm.trainers.masked_lm.starting import load_for_method

from .models import ARCHITECTURES, Architecture


def change(folder: Path, **settings: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | settings), encoding="utf-8")


ABSURD = [
    {"hidden_size": 0},
    {"hidden_size": "32"},
    {"hidden_size": -32},
    {"hidden_size": 10**12},
    {"num_attention_heads": 0},
    {"num_attention_heads": 5},
    {"num_hidden_layers": 1_000_000},
    {"num_hidden_layers": 10**12},
    {"vocab_size": 10**12},
    {"vocab_size": []},
    {"intermediate_size": 10**11},
    {"intermediate_size": 1.5},
    {"max_position_embeddings": 10**12},
    {"pad_token_id": 10**6},
    {"num_labels": 10**10},
    {"model_type": 7},
    {"model_type": None},
    {"architectures": 5},
    {"auto_map": "x"},
    {"initializer_range": "wide"},
]


@pytest.mark.parametrize("settings", ABSURD, ids=json.dumps)
def test_an_absurd_configuration_is_refused_before_anything_is_built(
    architecture: Architecture, tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture.stock().save_pretrained(tmp_path)
    change(tmp_path, **settings)
    monkeypatch.setattr(torch.nn.Module, "__init__", lambda *_, **__: pytest.fail("something is built"))
    for load in loads(architecture):
        with pytest.raises(DamagedError, match=r"damaged: .*config\.json: ") as caught:
            load(tmp_path)
        assert "\n" not in str(caught.value)


def loads(architecture: Architecture) -> list[Callable[[Path], Any]]:
    return [
        load_masked_lm,
        lambda folder: load_for_method(folder, method="langsamp", languages=["eng_Latn"]),
        lambda folder: architecture.masked_lm.from_encoder(folder, ["eng_Latn"]),
    ]


@pytest.mark.parametrize("model_type", [one.model_type for one in ARCHITECTURES])
@pytest.mark.parametrize(
    "settings", [{"hidden_size": 0}, {"num_hidden_layers": 10**6}, {"hidden_size": "a"}, {"intermediate_size": 10**13}]
)
def test_absurd_settings_of_a_new_encoder_are_refused(tiny_tokenizer, model_type: str, settings: dict) -> None:
    with pytest.raises(ValueError, match=f"no {model_type} model can be built from these settings"):
        build_encoder(tiny_tokenizer, model_type=model_type, **settings)


def test_a_layer_that_the_configuration_does_not_count_is_not_lost(architecture: Architecture, tmp_path: Path) -> None:
    architecture.stock().save_pretrained(tmp_path)
    layers = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    assert layers > 1  # vacuity guard
    change(tmp_path, num_hidden_layers=layers - 1)
    for load in loads(architecture):
        with pytest.raises((ValueError, OSError)):
            load(tmp_path)


class Runs:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("it-ran",)


def test_a_pickle_that_holds_more_than_weights_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ARCHITECTURES[0].stock().save_pretrained(tmp_path)
    weights = ARCHITECTURES[0].stock().state_dict()
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    load_masked_lm(tmp_path)  # vacuity guard: the format itself is read
    torch.save({**weights, "more": Runs()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="could run code when they are read.*python -c"):
        load_masked_lm(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Runs()))
    with pytest.raises((ValueError, OSError)):
        load_masked_lm(tmp_path)
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize("name", ["../other/model.safetensors", "/etc/passwd", "missing.safetensors", 5])
def test_a_list_of_weight_files_leads_nowhere_else(tmp_path: Path, name: Any) -> None:
    ARCHITECTURES[0].stock().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "model-1.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {"a": name}}), encoding="utf-8")
    with pytest.raises(DamagedError, match=r"index\.json"):
        load_masked_lm(tmp_path)


DAMAGE = ("flip", "flip", "flip", "cut", "empty", "zeros", "swap", "deep", "digits", "delete", "list")


def damage(folder: Path, draw: random.Random) -> str:
    files = sorted(path for path in folder.iterdir() if path.name != "generation_config.json")
    path, kind = draw.choice(files), draw.choice(DAMAGE)
    data = bytearray(path.read_bytes())
    # The header of a file of weights is where damage can be told; bits of a weight are any number.
    size = min(len(data), 4000)
    if kind == "flip":
        data[draw.randrange(size)] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del data[draw.randrange(len(data)) :]
    elif kind == "empty":
        data.clear()
    elif kind == "zeros":
        start = draw.randrange(size)
        data[start : start + 40] = bytes(len(data[start : start + 40]))
    elif kind == "swap":
        data = bytearray(draw.choice(files).read_bytes())
    elif kind in ("deep", "digits", "list"):
        data = bytearray({"deep": b"[" * 100_000, "digits": b'{"a": ' + b"9" * 5000 + b"}", "list": b"[1]"}[kind])
    path.unlink() if kind == "delete" else path.write_bytes(data)
    return f"{kind} {path.name}"


@pytest.mark.parametrize("format", ["safetensors", "bin"])
def test_random_damage_is_told_in_one_line(architecture: Architecture, tmp_path: Path, format: str) -> None:
    whole = tmp_path / "whole"
    model = architecture.stock()
    model.save_pretrained(whole)
    if format == "bin":
        (whole / "model.safetensors").unlink()
        torch.save(model.state_dict(), whole / "pytorch_model.bin")
    told = 0
    for seed in range(int(os.environ.get("HF_MPLM_FUZZ", "40"))):
        folder = tmp_path / "damaged"
        shutil.copytree(whole, folder)
        draw = random.Random(f"{architecture.name} {seed}")
        what = damage(folder, draw)
        try:
            draw.choice(loads(architecture))(folder)
        except (ValueError, OSError) as error:
            told += 1
            assert str(folder) in str(error), (seed, what, error)
        except Exception as error:
            pytest.fail(f"seed {seed}, {what}: {type(error).__name__}: {error}")
        shutil.rmtree(folder)
    assert told > 10
