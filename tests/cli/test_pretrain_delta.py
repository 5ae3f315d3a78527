"""`hf-mplm pretrain --delta`: low-rank weights instead of a copy, with everything that holds of a whole model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hf_mplm.cli.main import main
from hf_mplm.evaluation.results import read_results
from hf_mplm.jobs.digests import digest_files
from tests.evaluation.conftest import write_sib200
from tests.sprachbund.collections import make_start, make_store


# PEFT asks a model for it by the old name.
pytestmark = pytest.mark.filterwarnings("ignore:.(is_)?gradient_checkpointing. is deprecated:FutureWarning")

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("delta")
    make_store(folder / "store", tiny_tokenizer_folder, languages=3)
    make_start(folder / "start", tiny_tokenizer_folder)
    return folder


def words(folder: Path, output: Path, *more: object) -> list[str]:
    given = ["pretrain", "--model", folder / "start", "--store", folder / "store", "--output", output]
    given += ["--method", "mlm", "--delta", "--delta_rank", 2, "--use_cpu", "--disable_tqdm", "true"]
    given += ["--learning_rate", 0.05, "--per_device_train_batch_size", 4, "--save_steps", 2, "--max_steps", 5, *more]
    return list(map(str, given))


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    assert main(words(folder, folder / "trained")) == 0
    return folder / "trained"


def test_little_is_written_and_the_base_stays_as_it_is(folder: Path, trained: Path) -> None:
    names = {path.name for path in trained.iterdir() if path.is_file()}
    assert {WEIGHTS, "adapter_config.json", "config.json", "README.md", "digests.json", "run.json"} <= names
    assert not {name for name in names if "token" in name or name.startswith("model")}
    weights = load_file(trained / WEIGHTS)
    base = load_file(folder / "start" / "model.safetensors")
    assert sum(map(torch.numel, weights.values())) <= 0.05 * sum(map(torch.numel, base.values()))
    # Everything that was trained is what is written; the second matrices have left zero.
    assert all(value.any() for name, value in weights.items() if "lora_B" in name)
    assert json.loads((trained / "adapter_config.json").read_text())["base_model_name_or_path"] == "../start"
    card = (trained / "README.md").read_text(encoding="utf-8")
    assert "load_model" in card and str(folder) not in card
    for checkpoint in trained.glob("checkpoint-*"):
        assert (checkpoint / WEIGHTS).is_file() and not (checkpoint / "model.safetensors").exists()


def test_its_held_out_loss_is_that_of_the_merged_model(folder: Path, trained: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    from hf_mplm.data.store.token_store import load_store
    from hf_mplm.evaluation import load_model
    from hf_mplm.trainers import MaskedLMTrainer, MaskedLMTrainingArguments

    def loss(place: Path) -> float:
        args = MaskedLMTrainingArguments(output_dir=str(tmp_path), use_cpu=True, disable_tqdm=True)
        model = load_model(place, AutoModelForMaskedLM)
        return MaskedLMTrainer(model, args, store=load_store(folder / "store")).evaluate()["eval_loss"]

    history = json.loads((trained / "trainer_state.json").read_text())["log_history"]
    told = [line["eval_loss"] for line in history if "eval_loss" in line][-1]
    assert loss(trained) == pytest.approx(told, abs=1e-4)
    assert abs(loss(folder / "start") - told) > 0.005  # vacuity guard: training moved it


def test_the_same_command_goes_on_to_the_same_weights(folder: Path, trained: Path, tmp_path: Path) -> None:
    for place in ("start", "store"):
        os.symlink(folder / place, tmp_path / place)
    shutil.copytree(trained, tmp_path / "out")
    for name in ("checkpoint-4", "checkpoint-5"):
        shutil.rmtree(tmp_path / "out" / name)
    (tmp_path / "out" / WEIGHTS).unlink()
    assert main(words(tmp_path, tmp_path / "out")) == 0
    one, two = load_file(trained / WEIGHTS), load_file(tmp_path / "out" / WEIGHTS)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert digest_files([trained / WEIGHTS]) == digest_files([tmp_path / "out" / WEIGHTS])
    # The checkpoint that it went on from was another.
    three = load_file(trained / "checkpoint-2" / WEIGHTS)
    assert any(not torch.equal(one[name], three[name]) for name in one)


def test_another_rank_or_a_whole_model_does_not_go_on(
    folder: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "out")
    assert main(words(folder, tmp_path / "out", "--delta_rank", 1)) == 2
    assert "--delta_rank: 2 then, 1 now" in capsys.readouterr().err
    assert main(words(folder, tmp_path / "out", "--delta", "false")) == 2
    assert "--delta_rank: 2 then, null now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--method", "langsamp"), "--method mlm, or leave --delta out"),
        (("--delta_rank", 500), "rank 500 would have"),
        (("--delta_rank", 0), "rank 0 would have"),
    ],
)
def test_what_it_cannot_train_is_refused(
    more: tuple[object, ...], message: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(folder, tmp_path / "out", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "config.json").exists()


def test_a_base_is_needed(folder: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = words(folder, tmp_path / "out")
    at = line.index("--model")
    assert main([*line[:at], "--init_config", '{"hidden_size": 32}', *line[at + 2 :]]) == 2
    assert "give --model rather than --init_config" in capsys.readouterr().err
    # Low-rank weights are no base: they say how they become one.
    line[at + 1] = str(trained)
    assert main(line) == 2
    assert "holds low-rank weights, and a run starts from whole ones. Merge them: python -c" in capsys.readouterr().err


def test_recomputing_layers_changes_nothing(folder: Path, trained: Path, tmp_path: Path) -> None:
    assert main(words(folder, tmp_path / "out", "--gradient_checkpointing")) == 0
    one, two = load_file(trained / WEIGHTS), load_file(tmp_path / "out" / WEIGHTS)
    # AdamW turns the smallest differences of gradients near zero into steps.
    assert all(torch.allclose(one[name], two[name], atol=0.02) for name in one)
    assert all(value.any() for name, value in two.items() if "lora_B" in name)


def test_the_best_checkpoint_is_what_is_written(folder: Path, tmp_path: Path) -> None:
    more = ("--eval_strategy", "steps", "--eval_steps", 2, "--load_best_model_at_end", "--max_steps", 6)
    # Large steps in different draws: in one of them the loss does not end at its lowest.
    found = [_best(folder, tmp_path / seed, *more, "--data_seed", seed, "--learning_rate", 0.3) for seed in "012"]
    assert set(found) != {6}, "the last checkpoint is always the best, and this test shows nothing"


def _best(folder: Path, output: Path, *more: object) -> int:
    assert main(words(folder, output, *more)) == 0
    state = json.loads((output / "trainer_state.json").read_text())
    losses = {line["step"]: line["eval_loss"] for line in state["log_history"] if "eval_loss" in line}
    best = min((2, 4, 6), key=losses.__getitem__)
    assert digest_files([output / WEIGHTS]) == digest_files([output / f"checkpoint-{best}" / WEIGHTS])
    return best


def test_it_is_evaluated_as_any_model(folder: Path, trained: Path, tmp_path: Path) -> None:
    data = write_sib200(tmp_path / "data", ("eng_Latn", "swh_Latn"))
    flags = ["--tasks", "sib200", "--data_dir", data, "--transfer_settings", "zero-shot,probe", "--layer", 1]
    flags += ["--finetuning", '{"sib200": {"num_train_epochs": 1, "max_length": 32}}']
    for name, model in (("own", trained), ("base", folder / "start")):
        assert main(["evaluate", "--model", str(model), "--output", str(tmp_path / name), *map(str, flags)]) == 0
    own, base = (read_results(tmp_path / name) for name in ("own", "base"))
    assert {row.setting for row in own} == {"zero-shot", "probe"} and len(own) == len(base)
    assert {row.revision for row in own} != {row.revision for row in base}
    assert any(one.value != other.value for one, other in zip(own, base))


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_weights(folder: Path, tmp_path: Path) -> None:
    assert main(words(folder, tmp_path / "whole", "--max_steps", 30)) == 0
    command = [sys.executable, "-m", "hf_mplm", *words(folder, tmp_path / "killed", "--max_steps", 30)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 240
    while not (tmp_path / "killed" / "checkpoint-4").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / WEIGHTS).exists()
    subprocess.run(command, check=True)
    assert digest_files([tmp_path / "whole" / WEIGHTS]) == digest_files([tmp_path / "killed" / WEIGHTS])
