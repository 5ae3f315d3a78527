"""A training run in a process of its own, which kills itself where it is told; see test_resume.py."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import torch
from transformers import TrainerCallback

from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.trainers import find_last_checkpoint
from tests.fixtures import tiny_xlm_roberta
from tests.trainers.helpers import make_trainer


def kill_after_writes(count: int) -> None:
    """Send SIGKILL to this process at the `count`-th write of a checkpoint's file, half of it written."""
    remaining = [count]
    torch_save, json_write, rename = torch.save, Path.write_text, Path.rename

    def about_to(path: object) -> None:
        if "checkpoint-" not in str(path):
            return
        remaining[0] -= 1
        if remaining[0] == 0:
            if not isinstance(path, Path) or not path.is_dir():
                with open(str(path), "wb") as file:
                    file.write(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

    def save(value, path, *args, **kwargs):
        about_to(path)
        return torch_save(value, path, *args, **kwargs)

    def write_text(self, *args, **kwargs):
        about_to(self)
        return json_write(self, *args, **kwargs)

    def rename_path(self, target):
        about_to(self)
        return rename(self, target)

    torch.save, Path.write_text, Path.rename = save, write_text, rename_path


class KillAtStep(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if state.global_step + 1 == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def train(
    tokenizer_folder: str, output: str, workers: int, accumulation: int, kill_step: int = 0, kill_write: int = 0
) -> None:
    """Train, from the last whole checkpoint if there is one, and die where told."""
    torch.set_num_threads(1)
    # The loader's workers would inherit the fork server of the test, and outlive a parent that is killed.
    multiprocessing.set_start_method("fork", force=True)
    tokenizer = load_tokenizer(tokenizer_folder)
    model = tiny_xlm_roberta(len(tokenizer), hidden_dropout_prob=0.1)
    trainer = make_trainer(
        model,
        tokenizer,
        output,
        callbacks=[KillAtStep(kill_step)] if kill_step else [],
        max_steps=7,
        save_strategy="steps",
        save_steps=2,
        save_total_limit=2,
        eval_strategy="no" if workers else "steps",
        eval_steps=3,
        gradient_accumulation_steps=accumulation,
        dataloader_num_workers=workers,
        per_device_train_batch_size=2,
        warmup_steps=2,
    )
    if kill_write:
        kill_after_writes(kill_write)
    trainer.train(resume_from_checkpoint=find_last_checkpoint(output))
    trainer.save_model()
