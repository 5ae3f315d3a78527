"""What one process of several decides for all of them: locks, checkpoints to go on from, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch

from hf_mplm.jobs.lock import hold_folder


__all__ = ["are_several", "decided_by_first", "hold_output", "is_first"]

_HELD: ContextVar[tuple[Path, ...]] = ContextVar("held output folders", default=())


def are_several() -> bool:
    """Whether a launcher started several processes, and they have met."""
    return (
        torch.distributed.is_available()
        and torch.distributed.is_initialized()
        and torch.distributed.get_world_size() > 1
    )


def is_first() -> bool:
    """Whether this is the process that writes."""
    return not are_several() or torch.distributed.get_rank() == 0


def decided_by_first(decide: Callable[[], Any]) -> Any:
    """Call a function in the first process, and have all know what it returned or why it refused.

    A folder that several processes look at may look different to each. All of them must call this at the same time.

    Args:
        decide (`Callable`): returns text, numbers or `None`, or raises `ValueError` or `OSError`.

    Returns:
        what it returned.

    Raises:
        ValueError, OSError: what it raised; the other processes raise one of the same kind and words.
    """
    if not are_several():
        return decide()
    outcome: list[Any] = [None, None, None]
    mine: Exception | None = None
    if is_first():
        try:
            outcome[0] = decide()
        except (ValueError, OSError) as error:
            mine = error
            outcome[1:] = isinstance(error, OSError), str(error)
    torch.distributed.broadcast_object_list(outcome, src=0)
    if mine is not None:
        raise mine
    if outcome[2] is not None:
        raise OSError(outcome[2]) if outcome[1] else ValueError(outcome[2])
    return outcome[0]


@contextmanager
def hold_output(output_dir: str | Path, doing: str) -> Iterator[None]:
    """Keep other runs from an output folder; all processes of one launcher belong to the run that holds it.

    Within a run that holds the folder already, nothing is done.

    Args:
        output_dir (`str` or `Path`): the folder.
        doing (`str`): the verb of the messages, such as `"hf-mplm pretrain"`.

    Raises:
        FolderInUseError: in every process, if another run holds it.
    """
    folder = Path(output_dir).resolve()
    if folder in _HELD.get():
        yield
        return
    was_there = folder.exists()
    with ExitStack() as stack:

        def take() -> None:
            stack.enter_context(hold_folder(folder, doing))

        if not was_there:
            stack.callback(_remove_empty, folder)
        decided_by_first(take)
        token = _HELD.set((*_HELD.get(), folder))
        try:
            yield
        finally:
            _HELD.reset(token)


def _remove_empty(folder: Path) -> None:
    """A run that was refused leaves no folder behind."""
    with suppress(OSError):  # it holds something, or another process has removed it
        folder.rmdir()
