"""Running the same function over many tasks: here, in processes, or on a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import TypeVar

from .ray_cluster import run_on_ray


__all__ = ["ENGINES", "run_tasks"]

ENGINES = ("local", "ray")

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, num_proc: int = 1, engine: str = "local"
) -> Iterator[Result]:
    """Call `function` on every task; results come as they are ready, in any order.

    Args:
        function (`Callable`): a function of a module, which can be sent to other processes.
        tasks (`Sequence`): its arguments.
        num_proc (`int`, *optional*, defaults to 1): processes; 1 works in this one.
        engine (`str`, *optional*, defaults to `"local"`): `"ray"` hands the tasks to Ray, which finds its cluster
            itself; all its machines must see the same folders.

    Raises:
        ChildProcessError: if a process was killed, most often for memory; on Ray, if it was again and again.
        ConnectionError: if Ray is asked for and cannot be reached.
        ImportError: if Ray is asked for and not installed.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r} is unknown; needed is one of {', '.join(ENGINES)}")
    if num_proc < 1:
        raise ValueError(f"num_proc is {num_proc}; needed is 1 or more")
    if not tasks:
        return
    if engine == "ray":
        yield from run_on_ray(function, tasks)
    elif num_proc == 1 or len(tasks) == 1:
        yield from map(function, tasks)
    else:
        yield from _run_in_processes(function, tasks, num_proc)


def _run_in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], num_proc: int) -> Iterator[Result]:
    # Spawned, because a forked process inherits the threads' locks of tokenizers and Arrow.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(num_proc, len(tasks)), mp_context=context, initializer=_begin_worker)
    try:
        for future in as_completed([pool.submit(function, task) for task in tasks]):
            yield future.result()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "a worker process was killed, most often because memory ran out. What is finished is kept: repeat the "
            f"command with fewer processes than --num_proc {num_proc}"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the processes are the parallelism
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops them
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's processes outlive a parent that was killed, waiting for work forever; ours do not."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
