"""Static alignment in a process of its own, killed where it is told, or one of several; see test_runs.py."""

from __future__ import annotations

import os

import torch

from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.trainers import find_last_checkpoint
from tests.fixtures import tiny_xlm_roberta
from tests.trainers.base.resume_worker import KillAtStep
from tests.trainers.masked_lm.test_trainer import TakeGradients

from .helpers import make_static_trainer


def train(tokenizer_folder: str, output: str, settings: dict, kill_step: int = 0) -> None:
    """Train, from the last whole checkpoint if there is one, and die where told."""
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(tokenizer_folder)
    trainer = make_static_trainer(
        tiny_xlm_roberta(len(tokenizer), hidden_dropout_prob=0.1),
        tokenizer,
        output,
        callbacks=[KillAtStep(kill_step)] if kill_step else [],
        max_steps=6,
        save_strategy="steps",
        save_steps=2,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        **settings,
    )
    trainer.train(resume_from_checkpoint=find_last_checkpoint(output))
    trainer.save_model()


def gradients(rank: int, world_size: int, port: int, tokenizer_folder: str, output: str, settings: dict) -> None:
    """Save the gradients and the log of one optimizer step on `world_size` processes."""
    environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world_size, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in environment.items()}, MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(tokenizer_folder)
    taken = TakeGradients()
    parts = settings.get("gradient_accumulation_steps", 1)
    trainer = make_static_trainer(
        tiny_xlm_roberta(len(tokenizer)),
        tokenizer,
        output,
        callbacks=[taken],
        max_steps=1,
        per_device_train_batch_size=8 // world_size // parts,
        **settings,
    )
    trainer.train()
    if rank == 0:
        log = {
            name: value for name, value in trainer.state.log_history[0].items() if name.endswith(("loss", "chance"))
        }
        found = {name.removeprefix("module."): value for name, value in taken.gradients.items()}
        torch.save({"gradients": found, "log": log}, f"{output}/found.pt")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        # All is written. Gloo's threads can outlive the group and abort an interpreter that ends in the usual way.
        os._exit(0)
