"""One run a folder, one start a run, no damaged checkpoint, and nothing half in the output."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM

from hf_mplm.cli.main import main
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.jobs.digests import find_damage
from hf_mplm.jobs.lock import LOCK_FILES, hold_folder
from tests.fixtures import corpus_lines
from tests.fixtures import tiny_xlm_roberta as build
from tests.processes import Forked

from .launching import start as start_process


def write_store(folder: Path, tokenizer: Path, codes: list[str]) -> Path:
    (folder / "corpus").mkdir(parents=True)
    for code in codes:
        text = "\n".join(line for _, line in corpus_lines(code))
        (folder / "corpus" / f"{code}.txt").write_text(text + "\n", encoding="utf-8")
    prepare_store(folder / "corpus", tokenizer, folder / "store", chunk_length=32, holdout=1)
    return folder / "store"


@pytest.fixture(scope="module")
def store(tiny_tokenizer_folder, tmp_path_factory) -> Path:
    return write_store(tmp_path_factory.mktemp("one"), tiny_tokenizer_folder, ["deu_Latn", "ell_Grek"])


def write_start(folder: Path, tokenizer_folder: Path, seed: int = 0) -> Path:
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer

    tokenizer = load_tokenizer(tokenizer_folder)
    build(len(tokenizer), seed=seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def start(tiny_tokenizer_folder, tmp_path_factory) -> Path:
    return write_start(tmp_path_factory.mktemp("start"), tiny_tokenizer_folder)


def command(start: Path, store: Path, output: Path, *more: object) -> list[str]:
    fixed = ["--model", start, "--store", store, "--output", output, "--use_cpu", "--disable_tqdm", "true"]
    fixed += ["--method", "mlm", "--learning_rate", 1e-2, "--per_device_train_batch_size", 4]
    return ["pretrain", *map(str, [*fixed, "--save_steps", 2, "--max_steps", 4, *more])]


@pytest.fixture(scope="module")
def trained(start, store, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "out"
    assert main(command(start, store, folder)) == 0
    return folder


@pytest.fixture
def output(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "out"))


def equal(one: Path, other: Path) -> bool:
    expected, found = (load_file(folder / "model.safetensors") for folder in (one, other))
    return expected.keys() == found.keys() and all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_second_run_on_one_output_is_refused(start, store, tmp_path, capsys):
    with hold_folder(tmp_path / "out", "hf-mplm pretrain"):
        assert main(command(start, store, tmp_path / "out")) == 2
        message = capsys.readouterr().err
        assert "is in use: hf-mplm pretrain" in message and str(os.getpid()) in message
        assert {path.name for path in (tmp_path / "out").iterdir()} == set(LOCK_FILES)
    assert main(command(start, store, tmp_path / "out", "--max_steps", 1)) == 0
    assert not {path.name for path in (tmp_path / "out").iterdir()} & set(LOCK_FILES)


def test_the_finished_model_and_every_checkpoint_have_digests(trained):
    for folder in (trained, trained / "checkpoint-2", trained / "checkpoint-4"):
        assert find_damage(folder) == [], folder
        assert {"model.safetensors", "config.json"} <= set(json.loads((folder / "digests.json").read_text())["files"])
    _, report = AutoModelForMaskedLM.from_pretrained(trained, output_loading_info=True)
    assert not report["missing_keys"]


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "checkpoint.json"]
    + ["config.json", "run.json", "digests.json", "training_args.json"],
)
def test_a_flipped_bit_sends_the_run_to_the_checkpoint_before(name, start, store, output, trained, caplog):
    path = output / "checkpoint-4" / name
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)
    with caplog.at_level("INFO"):
        assert main(command(start, store, output)) == 0
    told = [record.getMessage() for record in caplog.records if "checkpoint-4 is not" in record.getMessage()]
    assert len(told) == 1 and "\n" not in told[0]
    # A bit of a name or a digest in the list itself speaks of that file.
    assert name in told[0] or name == "digests.json"
    assert f"Going on from {output / 'checkpoint-2'}" in caplog.text
    assert equal(trained, output) and find_damage(output / "checkpoint-4") == []


@pytest.mark.parametrize("text", ["null", '{"step": 4, "step": 4}', "{}", "[" * 100_000, '{"step": 4'])
def test_json_that_is_not_ours_is_refused(text, start, store, output, caplog):
    (output / "checkpoint-4" / "checkpoint.json").write_text(text)
    assert main(command(start, store, output)) == 0
    assert "checkpoint-4 is not a whole checkpoint (checkpoint.json" in caplog.text


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_file_that_cannot_be_read_is_named_though_its_digest_is_right(name, start, store, output, capsys):
    from hf_mplm.jobs.digests import write_digests

    (output / "checkpoint-4" / name).write_bytes(b"\x80\x04nonsense" * 9)
    write_digests(output / "checkpoint-4")
    assert main(command(start, store, output, "--max_steps", 5)) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message and "checkpoint-4" in message


def test_another_start_is_refused_and_the_same_one_elsewhere_is_not(
    start, store, output, tiny_tokenizer_folder, tmp_path, capsys
):
    other = write_start(tmp_path / "other", tiny_tokenizer_folder, seed=1)
    assert main(command(other, store, output, "--max_steps", 5)) == 2
    message = capsys.readouterr().err
    assert f"--model: {start} then, {other} now, of other weights" in message and "--output" in message
    moved, store_moved = shutil.copytree(start, tmp_path / "moved"), shutil.copytree(store, tmp_path / "store")
    assert main(command(moved, store_moved, output, "--max_steps", 5)) == 0
    another = write_store(tmp_path / "two", tiny_tokenizer_folder, ["deu_Latn", "srp_Cyrl"])
    assert main(command(start, another, output, "--max_steps", 6)) == 2
    assert f"--store: {store_moved} then, {another} now" in capsys.readouterr().err
    assert main(command(start, store, output, "--method", "langsamp", "--max_steps", 6)) == 2
    assert "--method: mlm then, langsamp now" in capsys.readouterr().err


def test_a_start_with_a_flipped_bit_is_refused(trained, store, tmp_path, capsys):
    start = Path(shutil.copytree(trained / "checkpoint-2", tmp_path / "start"))
    content = bytearray((start / "model.safetensors").read_bytes())
    content[-3] ^= 4
    (start / "model.safetensors").write_bytes(content)
    assert main(command(start, store, tmp_path / "out")) == 2
    assert "damaged: " in capsys.readouterr().err


def test_the_card_tells_settings_of_before_and_after(start, store, output):
    for steps, rate in ((6, 1e-3), (8, 1e-4)):
        assert main(command(start, store, output, "--max_steps", steps, "--learning_rate", rate)) == 0
    card = (output / "README.md").read_text(encoding="utf-8")
    assert "learning rate: 0.01 until step 4, then 0.001 until step 6, then 0.0001" in card
    assert "processes: 1" in card


def test_an_output_that_is_an_input_is_refused(trained, store, tmp_path, capsys):
    start = Path(shutil.copytree(trained / "checkpoint-2", tmp_path / "start"))
    assert main(command(start, store, start)) == 2
    assert "--output and --model are both" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_within_the_final_save_it_never_looks_finished(start, store, trained, tmp_path, monkeypatch):
    """Killed before each rename of the final save, in a process forked for it."""
    from hf_mplm.trainers.base import finished

    real, number = os.replace, 0
    while True:
        number += 1
        folder = Path(shutil.copytree(trained, tmp_path / str(number)))
        child = os.fork()
        if child == 0:
            left = [number]

            def replace(source, target, left=left):
                left[0] -= "_unfinished-model" in str(source) and "_unfinished-model" not in str(target)
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                real(source, target)

            monkeypatch.setattr(finished.os, "replace", replace)
            os._exit(main(command(start, store, folder, "--max_steps", 5)))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL)
        if (folder / "digests.json").is_file():
            assert find_damage(folder) == []
        if (folder / "config.json").is_file():
            assert equal(folder, folder / "checkpoint-5")
            break
    assert number > 4
    shutil.rmtree(folder)
    folder = tmp_path / "2"
    assert main(command(start, store, folder, "--max_steps", 5)) == 0
    assert find_damage(folder) == [] and equal(folder, folder / "checkpoint-5")
    assert not list(folder.glob("_unfinished*"))


def wait_for(path: Path, process) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1][-3000:]
        time.sleep(0.02)


def test_sigterm_to_a_real_process_then_the_same_command(start, store, tmp_path):
    flags = ["--max_steps", 30, "--save_steps", 5, "--save_total_limit", 2]
    assert main(command(start, store, tmp_path / "whole", *flags)) == 0
    output = tmp_path / "out"
    process = Forked(command(start, store, output, *flags))
    wait_for(output / "checkpoint-5", process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143, errors[-3000:]
    assert "stopped by SIGTERM after step" in errors and f"--output {output}" in errors.splitlines()[-1]
    assert not (output / "config.json").exists() and not set(LOCK_FILES) & {path.name for path in output.iterdir()}
    assert main(command(start, store, output, *flags)) == 0
    assert equal(tmp_path / "whole", output)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["launcher", "group"])
def test_sigterm_to_two_processes(target, start, store, tmp_path):
    flags = ["--max_steps", 200, "--save_steps", 5, "--save_total_limit", 2, "--per_device_train_batch_size", 2]
    whole, output = tmp_path / "whole", tmp_path / "out"
    process = start_process("torchrun", command(start, store, whole, *flags))
    _, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    process = start_process("torchrun", command(start, store, output, *flags), start_new_session=True)
    wait_for(output / "checkpoint-5", process)
    (os.killpg if target == "group" else os.kill)(process.pid, signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode != 0 and "stopped by SIGTERM after step" in errors, errors[-3000:]
    process = start_process("torchrun", command(start, store, output, *flags))
    _, errors = process.communicate()
    assert process.returncode == 0 and "Going on from" in errors, errors[-3000:]
    assert equal(whole, output)


@pytest.mark.slow
def test_two_processes_are_refused_together(start, store, tmp_path):
    with hold_folder(tmp_path / "out", "hf-mplm pretrain"):
        process = start_process("torchrun", command(start, store, tmp_path / "out"))
        _, errors = process.communicate(timeout=120)
    assert process.returncode != 0 and "is in use" in errors


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_dies_is_told_of_and_the_same_command_goes_on(rank, start, store, tmp_path):
    flags = ["--max_steps", 60, "--save_steps", 5, "--save_total_limit", 2, "--per_device_train_batch_size", 2]
    output = tmp_path / "out"
    process = start_process("torchrun", command(start, store, output, *flags))
    wait_for(output / "checkpoint-5", process)
    ranks = {int(child.environ()["RANK"]): child for child in psutil.Process(process.pid).children()}
    ranks[rank].kill()
    _, errors = process.communicate(timeout=120)
    told = [line for line in errors.splitlines() if line.startswith("hf-mplm pretrain: error: ")]
    assert process.returncode != 0 and len(told) == 1, errors[-3000:]
    assert f"rank {rank} of 2 died" in told[0], errors[-3000:]
    checkpoint = Path(told[0].rpartition("it goes on from ")[2])
    assert checkpoint.parent == output and find_damage(checkpoint) == []
    # The launcher prints a traceback of its own, without our frames.
    assert "hf_mplm/trainers" not in errors and "this is a fault" not in errors
    process = start_process("torchrun", command(start, store, output, *flags))
    _, errors = process.communicate()
    assert process.returncode == 0 and f"Going on from {checkpoint}." in errors, errors[-3000:]
