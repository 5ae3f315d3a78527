"""Settings of a single task, given beside its hyper-parameters: `finetuning: {parsing: {subtypes: true}}`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .context import Context


__all__ = ["with_options"]

AnyTask = TypeVar("AnyTask", bound=Any)


def with_options(task: AnyTask, context: Context, names: Sequence[str]) -> tuple[AnyTask, Context]:
    """Take a task's own options out of the hyper-parameters of a run.

    Args:
        task (`TransferTask`): The task, a dataclass.
        context (`Context`): The settings of the run.
        names (`Sequence[str]`): Fields of the task that are its options.

    Returns:
        `tuple[TransferTask, Context]`: The task with its options set, and the settings without them. What was skipped
        and what is finished stay shared with the context that was given.
    """
    given = dict(context.finetuning.get(task.name, {}))
    options = {name: given.pop(name) for name in names if name in given}
    if not options:
        return task, context
    return replace(task, **options), replace(context, finetuning={**context.finetuning, task.name: given})
