"""Tasks on a Ray cluster, in the words and with the errors of the other engines."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from hf_mplm._imports import require


__all__ = ["run_on_ray"]

logger = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")

# A task writes files that are whole or absent, so that it may be done again wherever a machine or a process is lost.
_RETRIES = 3
# Seconds for a cluster to answer.
_PATIENCE = 20.0
# Seconds without a result after which it is asked whether anybody works.
_SILENCE = 30.0


def run_on_ray(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
    """Call `function` on every task; results come as they are ready, in any order.

    A task whose process or machine is lost is done again on another one. What is left when an error ends the work is
    cancelled, and a Ray that was started here is shut down.

    Args:
        function (`Callable`): a function of a module, which all machines can import.
        tasks (`Sequence`): its arguments.

    Raises:
        ChildProcessError: if a task's process was lost again and again, most often for memory.
        ConnectionError: if no cluster answers where one is said to be.
        ImportError: if Ray is not installed.
    """
    ray = require("ray", "ray")
    with _connected(ray):
        remote = ray.remote(max_retries=_RETRIES)(_work)
        waiting = [remote.remote(function, os.getcwd(), task) for task in tasks]
        told_idle = False
        try:
            while waiting:
                ready, waiting = ray.wait(waiting, timeout=_SILENCE)
                if not ready and not told_idle and not ray.cluster_resources().get("CPU", 0):
                    # It is no error: clusters that grow with their work begin so.
                    logger.warning("the Ray cluster has no machine that works (0 processors): waiting for one to join")
                    told_idle = True
                yield from map(partial(_take, ray), ready)
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)


@contextmanager
def _connected(ray: Any) -> Iterator[None]:
    if ray.is_initialized():  # by the program that calls us, which also ends it
        yield
        return
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        _knock(address)
        # Finds a cluster by RAY_ADDRESS or on this machine, or starts one here.
        ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.WARNING)
    except (OSError, RuntimeError, ValueError) as error:
        where = f"at RAY_ADDRESS={address}" if address else "on this machine"
        reason = str(error).strip().split("\n")[0]
        raise ConnectionError(
            f"no Ray cluster could be reached or started {where} ({reason}). Start one (ray start --head), set "
            "RAY_ADDRESS to its address, or take --engine local"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise `OSError` where nobody listens; Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _work(function: Callable[[Task], Result], folder: str, task: Task) -> Result:
    # The paths of a task may be relative to where the command was given; all machines see the same folders.
    os.chdir(folder)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the processes are the parallelism
    return function(task)


def _take(ray: Any, reference: Any) -> Any:
    errors = ray.exceptions
    try:
        return ray.get(reference)
    except errors.RayTaskError as error:
        # The task's own error, as the other engines raise it, and not Ray's report of it.
        if isinstance(error.cause, errors.RayError) or not isinstance(error.cause, Exception):
            raise ChildProcessError(_lost(error)) from error
        raise error.cause from None
    except errors.RayError as error:
        raise ChildProcessError(_lost(error)) from error


def _lost(error: Exception) -> str:
    lines = str(error).strip().split("\n")
    return (
        f"Ray gave a task up after {_RETRIES + 1} attempts ({type(error).__name__}: {lines[0]}), most often because "
        "memory ran out or a machine cannot be used. What is finished is kept: repeat the same command"
    )
