"""`--model` takes a sentence-transformers repository as it takes its folder: modules, prompts, linear layers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.fixtures import build_tiny_tokenizer, tiny_xlm_roberta

from .benchmarks import publish
from .server import Blob, Fault, LoopbackHub, Repository
from .test_data import Client
from .tiny_benchmarks import write_tiny_benchmarks


def write_sentence_folder(folder: Path, encoder: str) -> Path:
    """A tiny encoder in a folder of its own or not, CLS and mean, a linear layer, normalisation and prompts."""
    place = folder / encoder
    tokenizer = build_tiny_tokenizer(place)
    tiny_xlm_roberta(len(tokenizer)).roberta.save_pretrained(place)
    width = json.loads((place / "config.json").read_text())["hidden_size"]
    own = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True, "include_prompt": False}
    kinds = [("Transformer", encoder), ("Pooling", "1_Pooling"), ("Dense", "2_Dense"), ("Normalize", "3_Normalize")]
    dense = {"in_features": 2 * width, "out_features": 8, "bias": True}
    parts: dict[str, Any] = {
        "1_Pooling/config.json": {"word_embedding_dimension": width, **own},
        "2_Dense/config.json": {**dense, "activation_function": "torch.nn.modules.activation.Tanh"},
        "modules.json": [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (kind, path) in enumerate(kinds)
        ],
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "passage": "passage: "},
            "default_prompt_name": "query",
        },
        f"{encoder}/sentence_bert_config.json".strip("/"): {"max_seq_length": 24, "do_lower_case": False},
    }
    for name, value in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(value))
    torch.manual_seed(1)
    linear = torch.nn.Linear(2 * width, 8)
    state = {f"linear.{name}": value for name, value in linear.state_dict().items()}
    save_file(state, folder / "2_Dense/model.safetensors")
    return folder


def put(hub: LoopbackHub, name: str, folder: Path, **more: bytes) -> str:
    """Publish a folder as it is; its commit."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    repository = hub.repositories.setdefault(("model", name), Repository())
    blobs = {path: Blob(content, path.endswith(".safetensors")) for path, content in {**files, **more}.items()}
    return repository.commit("refs/heads/main", blobs, "model")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sentences")
    write_sentence_folder(folder / "flat", "")
    write_sentence_folder(folder / "nested", "0_Transformer")
    return folder


@pytest.fixture(scope="module")
def hub(place: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub() as running:
        publish(running, write_tiny_benchmarks(place / "data"))
        for name in ("flat", "nested"):
            put(running, f"somebody/{name}", place / name)
        yield running


HOW: Any = {"tasks": "tatoeba", "languages": ["swh_Latn", "zho_Hans"], "data_dir": None}


def test_a_repository_s_modules_and_prompts_are_taken_up(hub: LoopbackHub, place: Path) -> None:
    with Client(hub, place / "home") as client:
        remote = client("evaluate", model="somebody/nested", output=str(place / "once-there"), **HOW)
        local = client("evaluate", model=str(place / "nested"), output=str(place / "once-here"), **HOW)
    assert remote["rows"] == local["rows"] and remote["rows"]
    assert remote["revision"] == hub.history("somebody/nested")[0]
    assert remote["encoding"] == local["encoding"] and remote["encoding"]["prompt"] == "query: "
    assert "linear 2_Dense" in str(remote["encoding"])


@pytest.mark.slow
def test_a_repository_is_measured_as_its_folder(hub: LoopbackHub, place: Path) -> None:
    with Client(hub, place / "home") as client:
        for name in ("flat", "nested"):
            remote = client("evaluate", model=f"somebody/{name}", output=str(place / f"there-{name}"), **HOW)
            local = client("evaluate", model=str(place / name), output=str(place / f"here-{name}"), **HOW)
            assert "error" not in remote and "error" not in local, (name, remote, local)
            assert remote["rows"] == local["rows"] and remote["rows"], name
            assert remote["revision"] == hub.history(f"somebody/{name}")[0] and local["revision"].startswith("xxh3:")
            assert remote["encoding"] == local["encoding"]
            assert remote["encoding"]["prompt"] == "query: " and "linear 2_Dense" in str(remote["encoding"])
        # What the modules say matters: the mean of a layer, and another prompt, are other measurements.
        flat = client("evaluate", model="somebody/flat", output=str(place / "flat"), **HOW)
        for number, other in enumerate(({"pooling": "mean"}, {"prompt_name": "passage"})):
            told = client("evaluate", model="somebody/flat", output=str(place / f"o{number}"), **HOW, **other)
            assert told["rows"] != flat["rows"]
        # A Hub that stumbles over a module is told; nothing else is measured in its place.
        put(hub, "somebody/other", place / "flat")
        hub.faults[:] = [Fault(method, "modules.json", 400, times=99) for method in ("GET", "HEAD")]
        broken = client("evaluate", model="somebody/other", output=str(place / "broken"), **HOW)
        hub.faults.clear()
        assert "modules.json" in broken.get("error", ""), broken.get("encoding")
        # The command line, from the Hub alone.
        line = ["evaluate", "--model", "somebody/flat", "--tasks", "tatoeba", "--languages", "swh_Latn", "zho_Hans"]
        told = client("command", words=[*line, "--output", str(place / "command")])
        assert told["status"] == 0 and told["rows"] == flat["rows"]
    before = len(hub.requests)
    with Client(hub, place / "home", offline=True) as cut:
        offline = cut("evaluate", model="somebody/nested", output=str(place / "offline"), **HOW)
        assert "error" not in offline, offline
        assert offline["rows"] == remote["rows"] and offline["encoding"] == remote["encoding"]
        assert offline["revision"] == remote["revision"]
    assert len(hub.requests) == before
