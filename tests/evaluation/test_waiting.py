from __future__ import annotations

import os
import time
from datetime import timedelta

import pytest
import torch
from torch import distributed
from torch import multiprocessing as processes

from hf_mplm.evaluation.waiting import measured_by_first


def wait(rank: int, place: str, results: str) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{place}", rank=rank, world_size=2, timeout=timedelta(seconds=1)
    )

    def measure() -> dict[str, float]:
        time.sleep(2.5)
        return {"accuracy": 0.25 + rank}

    found = [measured_by_first(measure)]
    distributed.barrier()

    def fail() -> dict[str, float]:
        raise ValueError("no data")

    try:
        measured_by_first(fail)
    except (RuntimeError, ValueError) as error:
        found.append(str(error))
    # Vacuity guard: a collective operation gives up where the store does not.
    box = [None]
    try:
        if rank == 0:
            time.sleep(2.5)
        distributed.broadcast_object_list(box, src=0)
        found.append("in time")
    except RuntimeError:
        found.append("too late")
    torch.save(found, f"{results}/{rank}")
    # The group that has timed out would abort the process at its end.
    os._exit(0)


@pytest.mark.slow
def test_others_wait_longer_than_the_process_groups_time_out(tmp_path) -> None:
    processes.spawn(wait, (str(tmp_path / "meeting"), str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / str(rank)) for rank in (0, 1))
    assert first[0] == second[0] == {"accuracy": 0.25}
    assert first[1] == "no data" and "ValueError: no data" in second[1]
    assert second[2] == "too late"


def test_one_process_measures_itself() -> None:
    assert measured_by_first(lambda: {"f1": 0.5}) == {"f1": 0.5}
    with pytest.raises(ZeroDivisionError):
        measured_by_first(lambda: {"f1": 1 / 0})
