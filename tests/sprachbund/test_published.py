"""Collections of low-rank weights, and collections that are handed on: what is in them, and what must not be."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM

from hf_mplm.cli.main import main
from hf_mplm.data.store.token_store import load_store
from hf_mplm.evaluation import load_model, read_results
from hf_mplm.evaluation.runner import evaluate
from hf_mplm.jobs.digests import digest_files
from hf_mplm.jobs.files import DamagedError
from hf_mplm.sprachbund import SprachbundRouter, collection_files
from hf_mplm.sprachbund.collection import Collection
from tests.evaluation.conftest import write_sib200

from .collections import make_clusters, make_start, make_store, make_vectors


# PEFT asks a model for it by the old name.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

ADAPTER = "adapter_model.safetensors"


def words(folder: Path, output: Path, *more: object) -> list[str]:
    given = ["sprachbund", "train", "--clusters", folder / "clusters", "--store", folder / "store", "--model"]
    given += [folder / "start", "--vectors", folder / "vectors", "--output", output, "--use_cpu", "--save_steps", 2]
    given += ["--disable_tqdm", "true", "--per_device_train_batch_size", 4, "--learning_rate", 0.05, *more]
    return list(map(str, given))


def train_here(line: list[str]) -> None:
    """Train a collection by its printed commands, in this process."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert main([*line, "--print_commands"]) == 0
    for command in told.getvalue().splitlines():
        assert main(shlex.split(command)[1:]) == 0
    assert main(line) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("published")
    make_store(folder / "store", tiny_tokenizer_folder, languages=4)
    make_start(folder / "start", tiny_tokenizer_folder)
    codes = load_store(folder / "store").languages
    vectors = make_vectors(codes)
    vectors.config["model"] = str(folder / "start")
    vectors.save(folder / "vectors")
    make_clusters(codes, folder / "clusters")
    return folder


@pytest.fixture(scope="module")
def low_rank(folder: Path) -> Path:
    train_here(words(folder, folder / "low", "--max_steps", 3, "--delta", "--delta_rank", 2))
    return folder / "low"


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    train_here(words(folder, folder / "whole", "--max_steps", 1))
    return folder / "whole"


def test_a_collection_of_low_rank_weights_is_little_more_than_one_model(folder: Path, low_rank: Path) -> None:
    names = collection_files(low_rank)
    copies = [name for name in names if name.endswith("model.safetensors") and not name.endswith(ADAPTER)]
    assert copies == ["base/model.safetensors"]
    start, base = folder / "start" / "model.safetensors", low_rank / "base" / "model.safetensors"
    assert digest_files([start]) == digest_files([base])
    count = sum(map(torch.numel, load_file(base).values()))
    own = [load_file(low_rank / name) for name in names if name.endswith(ADAPTER)]
    assert len(own) == 2 and all(sum(map(torch.numel, one.values())) <= 0.05 * count for one in own)
    assert any(not torch.equal(own[0][name], own[1][name]) for name in own[0])
    assert not {name for name in names if "token" in name and not name.startswith("base/")}


def test_the_router_merges(low_rank: Path) -> None:
    router = SprachbundRouter.from_pretrained(low_rank)
    base = load_model(low_rank / "base", AutoModelForMaskedLM).state_dict()
    seen = []
    for member in router.collection.members:
        code = member.languages[0]
        model = router.model_for(code, AutoModelForMaskedLM)
        adapter = load_file(low_rank / member.folder / ADAPTER)
        expected = {name: weight.clone() for name, weight in base.items()}
        for key in [key for key in adapter if "lora_A" in key]:
            name = key.removeprefix("base_model.model.").replace(".lora_A", "")
            expected[name] += 2 * (adapter[key.replace("lora_A", "lora_B")] @ adapter[key])
        found = model.state_dict()
        assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in expected)
        assert sum(not torch.equal(found[name], base[name]) for name in base) == len(adapter) // 2
        assert router.tokenizer_for(code)("Habari").input_ids
        seen.append(router.encode(["Habari za asubuhi"], code, layer=2))
    assert not np.allclose(*seen)
    assert router.route_text(["დილა მშვიდობისა"]).reason == "vector"


def test_it_is_measured_as_its_merged_models_are(low_rank: Path, tmp_path: Path) -> None:
    collection = Collection.load(low_rank)
    codes = [member.languages[0] for member in collection.members]
    data = write_sib200(tmp_path / "data", ("eng_Latn", *codes))
    flags = ["--tasks", "sib200", "--data_dir", data, "--transfer_settings", "probe", "--layer", 1]
    flags += ["--languages", ",".join(codes), "--output", tmp_path / "run"]
    assert main(["evaluate", "--model", str(low_rank), *map(str, flags)]) == 0
    together = {(row.language, row.metric): row.value for row in read_results(tmp_path / "run")}
    assert {code for code, _ in together} == set(codes)
    for member, code in zip(collection.members, codes):
        merged = tmp_path / member.folder
        load_model(low_rank / member.folder).save_pretrained(merged)
        SprachbundRouter(low_rank).tokenizer_for(code).save_pretrained(merged)
        for row in evaluate(merged, "sib200", data, code, transfer_settings="probe", layer=1):
            assert together[row.language, row.metric] == row.value


def test_low_rank_weights_go_on_as_they_were_begun(
    folder: Path, low_rank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(low_rank, tmp_path / "copy"))
    line = words(folder, copy, "--max_steps", 3, "--delta")
    before = digest_files(sorted(copy.rglob(ADAPTER)))
    (copy / "base" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises((DamagedError, ValueError)):
        SprachbundRouter(copy).model_for(Collection.load(copy).members[0].languages[0])
    assert main([*line, "--delta_rank", "2"]) == 0
    assert digest_files(sorted(copy.rglob(ADAPTER))) == before
    assert SprachbundRouter(copy).model_for(Collection.load(copy).members[0].languages[0]) is not None
    capsys.readouterr()
    assert main([*line, "--delta_rank", "1"]) == 2
    assert "delta: 2 then, 1 now" in capsys.readouterr().err
    assert main(words(folder, copy, "--max_steps", 3)) == 2
    assert main(words(folder, tmp_path / "new", "--max_steps", 3, "--delta", "--method", "langsamp")) == 2
    assert "--method mlm, or leave --delta out" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["low_rank", "whole"])
def test_what_is_published_says_nothing_of_this_machine(kind: str, folder: Path, request) -> None:
    place = request.getfixturevalue(kind)
    names = collection_files(place)
    assert {"README.md", "sprachbunds.json", "vectors/vectors.safetensors", "sprachbund-1/config.json"} <= set(names)
    here = str(folder.parent).encode()
    found = [name for name in names if here in (place / name).read_bytes()]
    assert not found
    assert not [name for name in names if Path(name).suffix in (".py", ".bin", ".pt", ".pth", ".yaml", ".log")]
    # Such files are there, and tell where training ran.
    assert here in (place / "sprachbund-1" / "training_args.json").read_bytes()
    assert Collection.load(place).base["name"] == "start"


def test_an_unfinished_collection_is_not_published(whole: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    (copy / "sprachbund-2" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="sprachbund-2 is not trained, or not whole"):
        collection_files(copy)


@pytest.mark.parametrize("kind", ["low_rank", "whole"])
def test_a_collection_from_the_hub(kind: str, tmp_path: Path, request, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fetched is what is published, even from a repository that holds more."""
    place = request.getfixturevalue(kind)
    repository = Path(shutil.copytree(place, tmp_path / "repository"))
    for name in ("evil.py", "sprachbund-1/pytorch_model.bin", "sprachbund-1/modeling.py", "sprachbund-1/optimizer.pt"):
        (repository / name).write_text("raise SystemExit")
    asked = []

    def snapshot_download(repo_id: str, *, revision: str | None = None, allow_patterns: list[str]) -> str:
        asked.append((repo_id, revision))
        for path in (path for path in repository.rglob("*") if path.is_file()):
            name = path.relative_to(repository).as_posix()
            if any(fnmatch(name, pattern) for pattern in allow_patterns):
                target = tmp_path / "cache" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        return str(tmp_path / "cache")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    router = SprachbundRouter.from_pretrained("me/collection", revision="v1")
    assert asked == [("me/collection", "v1")]
    fetched = {path.relative_to(router.folder).as_posix() for path in router.folder.rglob("*") if path.is_file()}
    assert fetched >= set(collection_files(place))
    # Checkpoints of training lie deeper, and are no part of a repository that was pushed.
    assert {name for name in fetched if "checkpoint-" not in name} == set(collection_files(place))
    code = router.languages[0]
    ours, theirs = (one.encode(["Habari"], code, layer=1) for one in (SprachbundRouter(place), router))
    assert np.array_equal(ours, theirs)
    with pytest.raises(FileNotFoundError, match="no/such/folder"):
        SprachbundRouter.from_pretrained("no/such/folder")
    assert len(asked) == 1


def test_text_is_routed_by_a_base_that_is_given(folder: Path, whole: Path, tmp_path: Path) -> None:
    # In a script of none of the languages, so that all of their vectors are looked at.
    text = ["დილა მშვიდობისა"]
    with pytest.raises(ValueError, match=r"under start, the model .* began with.*from_pretrained\('.*whole', base="):
        SprachbundRouter.from_pretrained(whole).route_text(text)
    router = SprachbundRouter.from_pretrained(whole, base=folder / "start")
    assert router.route_text(text).reason == "vector"
    other = Path(shutil.copytree(folder / "start", tmp_path / "other"))
    config = (other / "config.json").read_text()
    (other / "config.json").write_text(config.replace('"hidden_dropout_prob": ', '"hidden_dropout_prob":  '))
    with pytest.raises(ValueError, match="is not what the collection began with, start"):
        SprachbundRouter.from_pretrained(whole, base=other)


def test_a_base_on_the_hub_is_asked_for_by_its_commit(whole: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    collection = Collection.load(copy)
    collection.base |= {"source": "hub", "name": "some/encoder", "revision": "abc"}
    collection.save(copy)
    assert SprachbundRouter(copy)._base_model() == ("some/encoder", "abc")


def test_a_base_that_cannot_be_copied(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = Path(shutil.copytree(folder / "start", tmp_path / "start"))
    torch.save(load_file(start / "model.safetensors"), start / "pytorch_model.bin")
    (start / "model.safetensors").unlink()
    line = words(folder, tmp_path / "out", "--max_steps", 2, "--delta", "--delta_rank", 2, "--print_commands")
    line[line.index("--model") + 1] = str(start)
    assert main(line) == 2
    assert "has no weights as safetensors" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_in_the_second_model_it_goes_on_to_the_same_weights(folder: Path, tmp_path: Path) -> None:
    flags = ("--max_steps", 20, "--delta", "--delta_rank", 2)
    train_here(words(folder, tmp_path / "whole", *flags))
    command = [sys.executable, "-m", "hf_mplm", *words(folder, tmp_path / "killed", *flags)]
    process = subprocess.Popen(command, start_new_session=True)
    second = tmp_path / "killed" / "sprachbund-2"
    deadline = time.monotonic() + 240
    while not any(second.glob("checkpoint-[24]")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (second / ADAPTER).exists() and any(second.glob("checkpoint-*"))
    subprocess.run(command, check=True)
    for member in Collection.load(tmp_path / "killed").members:
        one, two = (tmp_path / name / member.folder / ADAPTER for name in ("whole", "killed"))
        assert digest_files([one]) == digest_files([two])
