from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.multiprocessing import start_processes

from tests.processes import CONTEXT, free_port
from tests.trainers.helpers import largest_difference


@pytest.mark.parametrize(
    "settings", [{"loss": "dcca"}, pytest.param({"loss": "mse", "target_scale": "encoder"}, marks=pytest.mark.slow)]
)
def test_killed_and_resumed_is_the_run_that_was_not_killed(settings, tiny_tokenizer_folder, tmp_path):
    """The cache in micro-batches with dropout, and a scale that was measured before the first step."""

    def run(folder: str, kill_step: int = 0) -> int:
        from .worker import train

        arguments = (str(tiny_tokenizer_folder), str(tmp_path / folder), settings, kill_step)
        process = CONTEXT.Process(target=train, args=arguments)
        process.start()
        process.join()
        return process.exitcode

    assert run("whole") == 0
    assert run("killed", kill_step=4) == -signal.SIGKILL
    assert (tmp_path / "killed" / "checkpoint-2").is_dir() and not (tmp_path / "killed" / "checkpoint-4").exists()
    before = load_file(tmp_path / "killed" / "checkpoint-2" / "model.safetensors")
    assert run("killed") == 0
    expected, found = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert largest_difference(expected, found) == 0.0
    assert largest_difference(before, found) > 0.0


def step(world_size: int, folder: Path, tokenizer_folder: Path, **settings) -> dict:
    from .worker import gradients

    folder.mkdir()
    arguments = (world_size, free_port(), str(tokenizer_folder), str(folder), settings)
    start_processes(gradients, arguments, nprocs=world_size, start_method="forkserver")
    return torch.load(folder / "found.pt", weights_only=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "dcca", "gradient_accumulation_steps": 2},
        # Batches of words that no process has whole.
        pytest.param({"loss": "subspace", "gradient_accumulation_steps": 2}, marks=pytest.mark.slow),
        pytest.param({"loss": "dcca"}, marks=pytest.mark.slow),
        pytest.param({"loss": "mse", "gradient_accumulation_steps": 2}, marks=pytest.mark.slow),
        pytest.param({"loss": "dcca", "layer": 1, "mlm_weight": 0.0}, marks=pytest.mark.slow),
    ],
)
def test_two_processes_have_the_gradients_of_one(settings, tiny_tokenizer_folder, tmp_path):
    alone = {name: value for name, value in settings.items() if name != "gradient_accumulation_steps"}
    one = step(1, tmp_path / "one", tiny_tokenizer_folder, **alone)
    two = step(2, tmp_path / "two", tiny_tokenizer_folder, **settings)
    scale = max(float(gradient.abs().max()) for gradient in one["gradients"].values())
    assert scale > 0 and largest_difference(one["gradients"], two["gradients"]) < 1e-4 * scale
    assert one["log"].keys() == two["log"].keys()
    for name, value in one["log"].items():
        assert two["log"][name] == pytest.approx(value, rel=1e-4)
