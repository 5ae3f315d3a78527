from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.multiprocessing import start_processes

from tests.processes import CONTEXT, free_port
from tests.trainers.helpers import largest_difference


@pytest.mark.parametrize("cache", [pytest.param(None, marks=pytest.mark.slow), 3])
def test_killed_and_resumed_is_the_run_that_was_not_killed(cache, tiny_tokenizer_folder, tmp_path):
    def run(folder: str, kill_step: int = 0) -> int:
        from .worker import train

        arguments = (str(tiny_tokenizer_folder), str(tmp_path / folder), cache, kill_step)
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


@pytest.mark.parametrize("cache", [pytest.param(None, marks=pytest.mark.slow), 2])
def test_two_processes_have_the_gradients_of_one(cache, tiny_tokenizer_folder, tmp_path):
    settings = {"cache_mini_batch_size": cache, "token_weight": 1.0}
    one = step(1, tmp_path / "one", tiny_tokenizer_folder, token_weight=1.0)
    two = step(2, tmp_path / "two", tiny_tokenizer_folder, **settings)
    scale = max(float(gradient.abs().max()) for gradient in one["gradients"].values())
    assert scale > 0 and largest_difference(one["gradients"], two["gradients"]) < 1e-5 * scale
    for name in ("seq_loss", "mlm_loss", "romanized_mlm_loss", "tlm_loss", "token_loss"):
        assert two["log"][name] == pytest.approx(one["log"][name], rel=1e-5)
    if cache is None:
        # Vacuity guard: without gathering each process has half of the negatives.
        apart = step(2, tmp_path / "apart", tiny_tokenizer_folder, gather_negatives=False, token_weight=1.0)
        assert largest_difference(one["gradients"], apart["gradients"]) > 1e-2 * scale


@pytest.mark.slow
@pytest.mark.parametrize("bad_rank", [0, 1])
def test_what_is_not_finite_on_one_process_stops_both(bad_rank, tiny_tokenizer_folder, tmp_path):
    from .worker import poisoned

    arguments = (2, free_port(), str(tiny_tokenizer_folder), str(tmp_path), bad_rank)
    processes = start_processes(poisoned, arguments, nprocs=2, join=False, start_method="forkserver")
    ended = time.monotonic() + 120
    while not processes.join(timeout=1):
        assert time.monotonic() < ended, "a process waits for the other"
    for rank in range(2):
        told = (tmp_path / f"rank{rank}.txt").read_text(encoding="utf-8")
        assert told.startswith("True 1 the loss of step 2 is not finite, and was not applied"), told
