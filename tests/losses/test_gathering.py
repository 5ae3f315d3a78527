from __future__ import annotations

import os

import pytest
import torch
from torch import distributed, multiprocessing

from hf_mplm.losses.gathering import gather_rows, world_size
from hf_mplm.losses.sequence_contrast import sequence_contrast_loss
from tests.processes import CONTEXT, free_port


PAIRS, WIDTH, HIDDEN = 3, 4, 5


def data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(WIDTH, HIDDEN, generator=generator, dtype=torch.float64)
    texts = torch.randn(2, 2 * PAIRS, WIDTH, generator=generator, dtype=torch.float64)
    return weight, texts, torch.tensor([True, True, False, True, True, True])


def loss_of(weight: torch.Tensor, texts: torch.Tensor, valid: torch.Tensor, gather: bool = True) -> torch.Tensor:
    source, romanized = texts @ weight
    return sequence_contrast_loss(source, romanized, valid, gather=gather).loss


def work(rank: int, port: int, gather: bool, results) -> None:
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    weight, texts, valid = data()
    own = slice(rank * PAIRS, (rank + 1) * PAIRS)
    weight.requires_grad_()
    loss = loss_of(weight, texts[:, own], valid[own], gather)
    loss.backward()
    # What DDP does.
    distributed.all_reduce(weight.grad)
    average = loss.detach().clone()
    distributed.all_reduce(average)
    results[rank] = (weight.grad.numpy() / 2, average.item() / 2)
    distributed.destroy_process_group()
    # The results are with the parent. Gloo's threads can abort an interpreter that ends in the usual way.
    os._exit(0)


def on_two_processes(gather: bool) -> dict:
    with CONTEXT.Manager() as manager:
        results = manager.dict()
        multiprocessing.start_processes(work, (free_port(), gather, results), nprocs=2, start_method="forkserver")
        return dict(results)


@pytest.mark.parametrize("gather", [True, False])
def test_two_processes_have_the_gradients_of_one(gather):
    weight, texts, valid = data()
    weight.requires_grad_()
    if gather:
        loss = loss_of(weight, texts, valid)
    else:
        halves = [slice(0, PAIRS), slice(PAIRS, None)]
        loss = sum(loss_of(weight, texts[:, half], valid[half]) for half in halves) / 2
    loss.backward()
    results = on_two_processes(gather)
    for gradient, average in results.values():
        torch.testing.assert_close(torch.from_numpy(gradient), weight.grad)
        assert average == pytest.approx(loss.item())
    # Vacuity guard: the joined batch is not the mean of its halves.
    other = data()[0].requires_grad_()
    loss_of(other, texts[:, :PAIRS], valid[:PAIRS]).backward()
    assert (other.grad - weight.grad).abs().max() > 1e-3


def test_one_process_gathers_nothing():
    rows = torch.ones(2, 3)
    assert world_size() == 1
    assert gather_rows(rows)[0] is rows and gather_rows(rows)[1] == 0
