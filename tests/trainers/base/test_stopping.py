from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from hf_mplm.trainers import find_last_checkpoint
from hf_mplm.trainers.base.stopping import TrainingStopped, shield_worker
from tests.fixtures import tiny_xlm_roberta
from tests.trainers.helpers import largest_difference, make_trainer, weights


class SignalAt(TrainerCallback):
    """Sends this process a signal within a step, as a scheduler may."""

    def __init__(self, step: int, *numbers: int) -> None:
        self.step, self.numbers = step, numbers

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if state.global_step + 1 == self.step:
            for number in self.numbers:
                os.kill(os.getpid(), number)


def build(tokenizer, folder: Path, *callbacks: TrainerCallback, **settings):
    model = tiny_xlm_roberta(len(tokenizer), hidden_dropout_prob=0.1)
    return make_trainer(model, tokenizer, folder, callbacks=list(callbacks), **{"max_steps": 5, **settings})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("strategy", ["no", "steps"])
def test_a_signal_saves_the_step_and_resuming_gives_the_whole_runs_weights(number, strategy, tiny_tokenizer, tmp_path):
    settings = {"save_strategy": strategy, "save_steps": 4, "eval_strategy": "steps", "eval_steps": 3}
    whole = build(tiny_tokenizer, tmp_path / "whole", **settings)
    whole.train()
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGUSR1)}
    stopped = build(tiny_tokenizer, tmp_path / "out", SignalAt(3, number), **settings)
    with pytest.raises(TrainingStopped, match=f"{number.name} after step 3.*checkpoint-3") as caught:
        stopped.train()
    assert caught.value.code == 128 + number
    assert {one: signal.getsignal(one) for one in before} == before
    assert find_last_checkpoint(tmp_path / "out").name == "checkpoint-3"
    again = build(tiny_tokenizer, tmp_path / "out", **settings)
    again.train(resume_from_checkpoint=True)
    assert again.state.global_step == 5
    assert largest_difference(weights(whole.model), weights(again.model)) == 0.0


def test_the_last_checkpoint_outlives_the_best_of_a_limit_of_one(tiny_tokenizer, tmp_path):
    settings = {"save_strategy": "steps", "save_steps": 1, "eval_strategy": "steps", "eval_steps": 1}
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "save_total_limit": 1}
    with pytest.raises(TrainingStopped):
        build(
            tiny_tokenizer, tmp_path, SignalAt(4, signal.SIGTERM), **settings, **best, greater_is_better=True
        ).train()
    assert find_last_checkpoint(tmp_path).name == "checkpoint-4"


def test_a_second_signal_ends_at_once(tiny_tokenizer, tmp_path):
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        build(tiny_tokenizer, tmp_path, SignalAt(2, signal.SIGTERM, signal.SIGTERM)).train()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    assert find_last_checkpoint(tmp_path) is None


def test_another_thread_trains_and_leaves_the_handlers_alone(tiny_tokenizer, tmp_path):
    before, seen = signal.getsignal(signal.SIGTERM), []

    class Look(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            seen.append(signal.getsignal(signal.SIGTERM))

    trainer = build(tiny_tokenizer, tmp_path, Look(), max_steps=1)
    thread = threading.Thread(target=trainer.train)
    thread.start()
    thread.join()
    assert seen == [before] and trainer.state.global_step == 1


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="only Linux tells who sent a signal")
@pytest.mark.parametrize("shielded", [True, False])
def test_a_worker_outlives_a_signal_that_is_not_its_parents(shielded):
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if shielded:
            shield_worker(0)
        time.sleep(60)
        os._exit(3)
    time.sleep(0.2)
    stranger = os.fork()
    if stranger == 0:
        os.kill(child, signal.SIGTERM)
        os._exit(0)
    os.waitpid(stranger, 0)
    time.sleep(0.2)
    ended, status = os.waitpid(child, os.WNOHANG)
    assert (ended == 0) is shielded
    if shielded:
        os.kill(child, signal.SIGTERM)
        status = os.waitpid(child, 0)[1]
        assert os.waitstatus_to_exitcode(status) == 0
    else:
        assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM


def test_workers_signalled_with_the_run_do_not_spoil_the_step(tiny_tokenizer, tmp_path):
    class Group(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 1:
                stranger = os.fork()
                if stranger == 0:
                    siblings = Path(f"/proc/{os.getppid()}/task/{os.getppid()}/children").read_text().split()
                    for one in (*map(int, siblings), os.getppid()):
                        if one != os.getpid():
                            os.kill(one, signal.SIGTERM)
                    os._exit(0)
                os.waitpid(stranger, 0)

    trainer = build(tiny_tokenizer, tmp_path, Group(), dataloader_num_workers=2, max_steps=20)
    with pytest.raises(TrainingStopped):
        trainer.train()
    assert find_last_checkpoint(tmp_path) is not None


def test_gradients_of_a_stopped_step_are_applied(tiny_tokenizer, tmp_path):
    """The vacuity guard of the comparison above: a checkpoint of the step before would differ."""
    trainer = build(tiny_tokenizer, tmp_path, SignalAt(3, signal.SIGTERM), save_strategy="steps", save_steps=2)
    with pytest.raises(TrainingStopped):
        trainer.train()
    from safetensors.torch import load_file

    two, three = (load_file(tmp_path / f"checkpoint-{step}" / "model.safetensors") for step in (2, 3))
    assert any(not torch.equal(two[name], three[name]) for name in two)
