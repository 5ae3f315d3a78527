"""A process of several that dies, in a script of one's own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from pathlib import Path

import pytest
import torch

from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.trainers import find_last_checkpoint
from hf_mplm.trainers.base.peers import LostProcessError
from tests.fixtures import tiny_xlm_roberta
from tests.trainers.helpers import make_trainer

from .resume_worker import KillAtStep


def train(rank: int, port: int, tokenizer_folder: str, output: str, dying: int) -> None:
    """Train as one of two processes, of which one kills itself in the fourth step; write down how it ended."""
    environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in environment.items()}, MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(tokenizer_folder)
    trainer = make_trainer(
        tiny_xlm_roberta(len(tokenizer)),
        tokenizer,
        output,
        callbacks=[KillAtStep(4)] if rank == dying else [],
        max_steps=6,
        save_strategy="steps",
        save_steps=2,
    )
    told = "finished"
    try:
        trainer.train(resume_from_checkpoint=find_last_checkpoint(output))
    except LostProcessError as error:
        told = str(error)
    if told != "finished":
        os.kill(os.getpid(), signal.SIGTERM)  # as a launcher does, which may come late
    Path(output, f"rank{rank}.txt").write_text(told, encoding="utf-8")
    # All is written. Gloo's threads can outlive the group and abort an interpreter that ends in the usual way.
    os._exit(0)


@pytest.mark.slow
@pytest.mark.parametrize("dying", [0, 1])
def test_a_script_is_told_who_died_and_how_to_go_on(dying, tiny_tokenizer_folder, tmp_path):
    context = multiprocessing.get_context("spawn")

    def run(dying: int) -> list[int | None]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        given = (port, str(tiny_tokenizer_folder), str(tmp_path), dying)
        processes = [context.Process(target=train, args=(rank, *given)) for rank in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(300)
        return [process.exitcode for process in processes]

    codes = run(dying)
    assert codes[dying] == -signal.SIGKILL and codes[1 - dying] == 0
    told = (tmp_path / f"rank{1 - dying}.txt").read_text(encoding="utf-8")
    assert told.startswith(f"rank {dying} of 2 died, and the others cannot go on without it; ")
    again = f"train again with resume_from_checkpoint=find_last_checkpoint({str(tmp_path)!r})"
    assert told.endswith(f"Then {again}: it goes on from {tmp_path / 'checkpoint-2'}")
    assert run(dying=2) == [0, 0]
    assert (tmp_path / "rank0.txt").read_text(encoding="utf-8") == "finished"
