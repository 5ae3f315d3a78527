"""Script alignment in a process of its own, killed where it is told, or one of several; see test_alignment_runs.py."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.trainers import NonFiniteLossError, find_last_checkpoint
from tests.fixtures import tiny_xlm_roberta
from tests.trainers.base.resume_worker import KillAtStep
from tests.trainers.masked_lm.test_trainer import TakeGradients

from .helpers import make_alignment_trainer


def train(tokenizer_folder: str, output: str, cache: int | None, kill_step: int = 0) -> None:
    """Train, from the last whole checkpoint if there is one, and die where told."""
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(tokenizer_folder)
    trainer = make_alignment_trainer(
        tiny_xlm_roberta(len(tokenizer), hidden_dropout_prob=0.1),
        tokenizer,
        output,
        callbacks=[KillAtStep(kill_step)] if kill_step else [],
        max_steps=6,
        save_strategy="steps",
        save_steps=2,
        gradient_accumulation_steps=2,
        cache_mini_batch_size=cache,
        token_weight=0.5,
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
    trainer = make_alignment_trainer(
        tiny_xlm_roberta(len(tokenizer)),
        tokenizer,
        output,
        callbacks=[taken],
        max_steps=1,
        per_device_train_batch_size=8 // world_size,
        **settings,
    )
    trainer.train()
    if rank == 0:
        log = {name: value for name, value in trainer.state.log_history[0].items() if name.endswith("loss")}
        found = {name.removeprefix("module."): value for name, value in taken.gradients.items()}
        torch.save({"gradients": found, "log": log}, f"{output}/found.pt")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        # All is written. Gloo's threads can outlive the group and abort an interpreter that ends in the usual way.
        os._exit(0)


def poisoned(rank: int, world_size: int, port: int, tokenizer_folder: str, output: str, bad_rank: int) -> None:
    """Train with the gradient cache on two processes, of which one meets NaN in the second step; tell how it ended."""
    environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world_size, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in environment.items()}, MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(tokenizer_folder)
    trainer = make_alignment_trainer(
        tiny_xlm_roberta(len(tokenizer)),
        tokenizer,
        output,
        max_steps=4,
        per_device_train_batch_size=4,
        cache_mini_batch_size=2,
        token_weight=0.5,
    )
    terms = trainer._alignment_terms

    def alignment_terms(*arguments):
        found = terms(*arguments)
        if rank == bad_rank and trainer.state.global_step == 1:
            found["seq"] = found["seq"] * float("nan")
        return found

    trainer._alignment_terms = alignment_terms
    try:
        trainer.train()
        told = "finished"
    except NonFiniteLossError as error:
        told = f"{trainer.state.global_step} {error}"
    finite = all(bool(parameter.isfinite().all()) for parameter in trainer.model.parameters())
    Path(output, f"rank{rank}.txt").write_text(f"{finite} {told}", encoding="utf-8")
    torch.distributed.destroy_process_group()
    # All is written. Gloo's threads can outlive the group and abort an interpreter that ends in the usual way.
    os._exit(0)
