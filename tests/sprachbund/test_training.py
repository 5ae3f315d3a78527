"""Collections: who is trained on what and for how long, kills, arms, and the commands that are printed."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_mplm.cli.main import main
from hf_mplm.data.batches.columns import language_labels
from hf_mplm.data.batches.sampling import LanguageSampler
from hf_mplm.data.store.token_store import load_store
from hf_mplm.evaluation.loading import model_revision
from hf_mplm.jobs.lock import LOCK_FILES, hold_folder
from hf_mplm.sprachbund import LanguageVectors, SprachbundRouter
from hf_mplm.sprachbund.clusters.sprachbunds import Sprachbunds
from hf_mplm.sprachbund.collection.arms import choose_arm
from hf_mplm.sprachbund.collection.collection import Collection
from hf_mplm.sprachbund.collection.members import plan_members

from .collections import VIEW, make_clusters, make_start, make_store, make_vectors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("sprachbund")
    make_store(folder / "store", tiny_tokenizer_folder)
    make_start(folder / "start", tiny_tokenizer_folder)
    make_vectors(load_store(folder / "store").languages).save(folder / "vectors")
    make_clusters(load_store(folder / "store").languages, folder / "clusters")
    return folder


def words(folder: Path, output: Path, *more: object) -> list[str]:
    given = ["sprachbund", "train", "--clusters", folder / "clusters", "--store", folder / "store", "--model"]
    given += [folder / "start", "--vectors", folder / "vectors", "--output", output, "--use_cpu", "--save_steps", 2]
    given += ["--disable_tqdm", "true", "--per_device_train_batch_size", 4, "--learning_rate", 0.01, *more]
    return list(map(str, given))


def test_steps_of_a_total_budget_show_every_language_as_often_as_one_model_of_all(folder: Path) -> None:
    store, sprachbunds = load_store(folder / "store"), Sprachbunds.load(folder / "clusters")
    members = plan_members(sprachbunds, store, max_steps=1000, budget="total", alpha=0.3)
    assert sum(member.steps for member in members) == 1000
    # Steps of a block of draws each, at whose end counts are exact: what is left is the rounding of steps.
    draws = 1024
    sampler = LanguageSampler(language_labels(store.train), alpha=0.3, num_draws=1000 * draws)
    together = sampler.language_counts(0, 1000 * draws)
    for member in members:
        some = store.select(member.trained_on)
        alone = LanguageSampler(language_labels(some.train), alpha=0.3, num_draws=draws * member.steps)
        counts = alone.language_counts(0, draws * member.steps)
        for code, count in zip(some.languages, counts):
            assert abs(count - together[store.languages.index(code)]) <= draws
    # With a budget for each model, languages of small clusters are seen more often.
    assert {member.steps for member in plan_members(sprachbunds, store, max_steps=9, budget="per_model")} == {9}
    assert [member.tokens for member in members] == [
        sum(store.info["languages"][code]["tokens"] for code in member.trained_on) for member in members
    ]


def test_clusters_that_cannot_be_trained(folder: Path) -> None:
    store = load_store(folder / "store")
    with pytest.raises(ValueError, match="no text of cluster 2 \\(xho_Latn\\)"):
        plan_members(Sprachbunds([store.languages, ["xho_Latn"]], ["a", "b"]), store, max_steps=9, budget="total")
    with pytest.raises(ValueError, match="1 steps are too few for 2 models"):
        plan_members(Sprachbunds.load(folder / "clusters"), store, max_steps=1, budget="total")


def test_arms(folder: Path) -> None:
    found, vectors = Sprachbunds.load(folder / "clusters"), make_vectors(load_store(folder / "store").languages)
    (everything,) = choose_arm(found, "all", vectors=vectors).clusters
    assert everything == sorted(code for cluster in found.clusters for code in cluster)
    drawn = [choose_arm(found, "random", vectors=vectors, seed=seed) for seed in range(4)]
    assert all([*map(len, one.clusters)] == [*map(len, found.clusters)] for one in drawn)
    assert all(sorted(sum(one.clusters, [])) == everything for one in drawn)
    assert len({json.dumps(one.clusters) for one in drawn}) > 1
    cosines = vectors.cosine()
    for one in drawn:
        for cluster, pivot in zip(one.clusters, one.pivots):
            rows = [vectors.row(code) for code in cluster]
            sums = [cosines[row, rows].sum() for row in rows]
            assert cluster[int(np.argmax(sums))] == pivot
    with pytest.raises(ValueError, match="--vectors"):
        choose_arm(found, "all")


@pytest.fixture
def made_of(folder: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """A command, with vectors of a start of which something is said, and clusters of them or of others."""
    codes = load_store(folder / "store").languages
    own = {
        "source": "encoder",
        "model": str(folder / "start"),
        "revision": model_revision(folder / "start"),
        "tokenizer": load_store(folder / "store").info["tokenizer"]["fingerprint"],
    }

    def make(vectors: dict[str, str], clusters: dict[str, str] | None = None, arm: str = "cluster") -> list[str]:
        made = make_vectors(codes)
        made.config |= own | vectors
        made.save(tmp_path / "vectors")
        found = make_clusters(codes, tmp_path / "clusters")
        found.settings["vectors"], found.arm = own | vectors | (clusters or {}), arm
        found.save(tmp_path / "clusters")
        line = words(folder, tmp_path / "out", "--max_steps", 2, "--print_commands")
        for name in ("vectors", "clusters"):
            line[line.index(f"--{name}") + 1] = str(tmp_path / name)
        return line

    return make


@pytest.mark.parametrize(
    ("vectors", "clusters", "message"),
    [
        ({"revision": "xxh3:0"}, {}, "--vectors .* and --model .*start are of another revision: encoder .*xxh3:0.*"),
        ({"tokenizer": "0"}, {}, "--vectors .* and --model .*start are of another tokenizer"),
        ({}, {"revision": "xxh3:0"}, "--clusters .* and --vectors .* are of another revision: encoder .*xxh3:0"),
        ({"source": "static"}, {"source": "encoder"}, "--clusters .* are of another source: encoder .* and static"),
    ],
)
def test_vectors_and_clusters_of_another_model_are_refused(
    made_of, vectors, clusters, message, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(made_of(vectors, clusters)) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and "hf-mplm sprachbund" in error
    assert not (tmp_path / "out" / "sprachbunds.json").exists()


def test_vectors_of_the_start_and_of_other_sources_are_taken_by_their_own_name(
    made_of, folder: Path, tmp_path: Path
) -> None:
    def label(*made: object) -> object:
        assert main(made_of(*made)) == 0
        return LanguageVectors.load(tmp_path / "out" / "vectors").config["model"]

    # The same model, wherever it lay when its vectors were made.
    assert label({"model": "/elsewhere/mini"}, {"model": "mini"}) == "start"
    static = {"source": "static", "model": str(tmp_path / "words"), "revision": "xxh3:0"}
    assert label(static) == "words"
    shutil.rmtree(tmp_path / "out")
    # Clusters of a file were found by no vectors.
    assert label({}, {"revision": "xxh3:0"}, "file") == "start"


def test_text_is_not_routed_by_vectors_of_something_else(made_of, folder: Path, tmp_path: Path) -> None:
    assert main(made_of({"source": "static", "model": "words", "revision": "xxh3:0"})) == 0
    router = SprachbundRouter(tmp_path / "out", base=folder / "start")
    with pytest.raises(ValueError, match=r"under start.* static words \(xxh3:0\).*--vectors of its --model"):
        router.route_text(["Habari za asubuhi"])
    assert main(made_of({})) == 0
    # The vectors are random, so that where the text goes says nothing.
    assert router.route_text(["Habari za asubuhi"]).reason == "vector"


def test_a_collection_is_gone_on_with_by_the_settings_that_it_was_begun_with(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def again(*more: object) -> int:
        return main(words(folder, tmp_path / "out", "--max_steps", 2, "--seed", 3, "--print_commands", *more))

    assert again() == 0
    recipe = tmp_path / "out" / "pretrain.yaml"
    before = recipe.read_bytes()
    for flag, value, then in (
        ("learning_rate", 0.02, 0.01),
        ("per_device_train_batch_size", 8, 4),
        ("seed", 4, 3),
        ("mask_rate", 0.5, "'0.15'"),
        ("alpha", 1, "'0.3'"),
    ):
        assert again(f"--{flag}", value) == 2
        error = capsys.readouterr().err
        assert "begun with something else" in error and f"{flag}: {then} then, " in error
        assert recipe.read_bytes() == before
    # What makes no difference to what is trained may change, and what is the default may be said.
    assert again("--save_steps", 1, "--logging_steps", 1, "--mask_rate", 0.15, "--devices", 0) == 0
    # Collections of before do not say what they were begun with.
    listed = tmp_path / "out" / "sprachbunds.json"
    content = json.loads(listed.read_text())
    assert content["training"].pop("settings")
    listed.write_text(json.dumps(content))
    assert again("--learning_rate", 0.02) == 0


def test_a_folder_of_another_collection_is_refused(
    folder: Path, tmp_path: Path, tiny_tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(*more: object, **places: Path) -> int:
        line = words(folder, tmp_path / "out", "--max_steps", 2, "--print_commands", *more)
        for name, place in places.items():
            line[line.index(f"--{name}") + 1] = str(place)
        return main(line)

    codes = load_store(folder / "store").languages
    other = Sprachbunds([codes[1:], codes[:1]], [codes[1], codes[0]], settings={"view": VIEW})
    (tmp_path / "clusters").mkdir()
    other.save(tmp_path / "clusters")
    make_store(tmp_path / "store", tiny_tokenizer_folder, languages=6)
    start = Path(shutil.copytree(folder / "start", tmp_path / "start"))
    weights = load_file(start / "model.safetensors")
    save_file({name: weight + 1 for name, weight in weights.items()}, start / "model.safetensors", {"format": "pt"})

    assert train() == 0
    before = (tmp_path / "out" / "sprachbunds.json").read_bytes()

    def refused(difference: str, *more: object, **places: Path) -> None:
        capsys.readouterr()
        assert train(*more, **places) == 2
        error = capsys.readouterr().err
        assert "begun with something else" in error and difference in error

    refused("arm: 'cluster' then, 'all' now; clusters: ", "--arm", "all")
    refused("arm: 'cluster' then, 'random' now", "--arm", "random", "--random_seed", 3)
    refused("something else: clusters: ", clusters=tmp_path / "clusters")
    refused("something else: store: ", store=tmp_path / "store")
    refused("something else: base: ", model=start)
    refused("method: 'mlm' then, 'langsamp' now", "--method", "langsamp")
    refused("steps: [2, 2] then, [3, 3] now", "--max_steps", 3)
    assert (tmp_path / "out" / "sprachbunds.json").read_bytes() == before
    # The same start and store at another place are the same.
    moved = {name: Path(shutil.copytree(folder / name, tmp_path / f"moved_{name}")) for name in ("start", "store")}
    assert train(model=moved["start"], store=moved["store"]) == 0


def test_a_second_run_on_one_collection_is_told_of_the_first(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = words(folder, tmp_path / "out", "--max_steps", 2, "--print_commands")
    with hold_folder(tmp_path / "out", "hf-mplm sprachbund train"):
        assert main(line) == 2
        error = capsys.readouterr().err
        assert "is in use: hf-mplm sprachbund train" in error
        assert f"host {platform.node()}, process {os.getpid()}" in error
        assert {path.name for path in (tmp_path / "out").iterdir()} == set(LOCK_FILES)
    assert main(line) == 0


def test_a_collection_from_clusters(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    assert main(words(folder, output, "--max_steps", 4, "--budget", "total")) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1].startswith("2 models, 4 steps together")
    collection = Collection.load(output)
    assert not collection.unfinished(output)
    for member in collection.members:
        state = json.loads((output / member.folder / "trainer_state.json").read_text())
        assert state["global_step"] == member.steps
        keys = {key for line in state["log_history"] for key in line if key.startswith("draws_")}
        seen = {key.removeprefix("draws_") for key in keys}
        assert seen and seen <= set(member.trained_on)
    card = (output / "README.md").read_text(encoding="utf-8")
    assert "sprachbund-1" in card and str(folder) not in card and "budget: total" in card
    before = {path: path.stat().st_mtime_ns for path in output.rglob("model.safetensors")}
    assert main(words(folder, output, "--max_steps", 4, "--budget", "total")) == 0
    assert {path: path.stat().st_mtime_ns for path in output.rglob("model.safetensors")} == before
    assert main(words(folder, output, "--max_steps", 4, "--budget", "per_model")) == 2
    assert "budget: 'total' then, 'per_model' now" in capsys.readouterr().err


@pytest.mark.slow
def test_printed_commands_make_the_same(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--max_steps", 2, "--arm", "random", "--random_seed", 3)
    assert main(words(folder, tmp_path / "whole", *flags)) == 0
    capsys.readouterr()
    assert main(words(folder, tmp_path / "printed", *flags, "--print_commands")) == 0
    commands = capsys.readouterr().out.strip().splitlines()
    assert len(commands) == 2
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0
    assert main(words(folder, tmp_path / "printed", *flags)) == 0
    for member in Collection.load(tmp_path / "printed").members:
        one, two = (load_file(tmp_path / name / member.folder / "model.safetensors") for name in ("whole", "printed"))
        assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_a_model_that_fails_does_not_stop_the_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    # A file stands where the first model belongs.
    output.mkdir()
    (output / "sprachbund-1").write_text("in the way")
    assert main(words(folder, output, "--max_steps", 2)) == 2
    printed = capsys.readouterr()
    assert "sprachbund-1 ended with status" in printed.err
    assert "1 of 2 models are finished; the same command goes on with sprachbund-1" in printed.out
    (output / "sprachbund-1").unlink()
    assert main(words(folder, output, "--max_steps", 2)) == 0


@pytest.mark.slow
def test_killed_in_the_second_model_it_goes_on_to_the_same_weights(folder: Path, tmp_path: Path) -> None:
    flags = ("--max_steps", 12, "--arm", "clusters")
    assert main(words(folder, tmp_path / "whole", *flags)) == 0
    command = [sys.executable, "-m", "hf_mplm", *words(folder, tmp_path / "killed", *flags)]
    process = subprocess.Popen(command, start_new_session=True)
    second = tmp_path / "killed" / "sprachbund-2"
    deadline = time.monotonic() + 240
    while not any(second.glob("checkpoint-[24]")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (second / "model.safetensors").exists() and any(second.glob("checkpoint-*"))
    first = (tmp_path / "killed" / "sprachbund-1" / "model.safetensors").stat().st_mtime_ns
    subprocess.run(command, check=True)
    assert (tmp_path / "killed" / "sprachbund-1" / "model.safetensors").stat().st_mtime_ns == first
    for member in Collection.load(tmp_path / "killed").members:
        one, two = (load_file(tmp_path / name / member.folder / "model.safetensors") for name in ("whole", "killed"))
        assert all(torch.equal(one[name], two[name]) for name in one)
