"""Settings of a single task, given beside its hyper-parameters: `finetuning: {parsing: {subtypes: true}}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

from .context import Context
from .kinds.finetuning import finetuning_settings


__all__ = ["full_settings", "with_options"]

AnyTask = TypeVar("AnyTask", bound=Any)


def with_options(task: AnyTask, context: Context) -> tuple[AnyTask, Context]:
    """Take a task's own options out of the hyper-parameters of a run.

    Args:
        task (`TransferTask`): The task, a dataclass that lists those of its fields that are options in `options`.
        context (`Context`): The settings of the run.

    Returns:
        `tuple[TransferTask, Context]`: The task with its options set, and the settings without them. What was skipped
        and what is finished stay shared with the context that was given.
    """
    options, rest = _split(task, context.finetuning)
    if not options:
        return task, context
    return replace(task, **options), replace(context, finetuning=rest)


def full_settings(task: Any, overrides: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Any]:
    """Write out everything that a fine-tuning task is run with.

    Args:
        task (`TransferTask`): The task.
        overrides (`Mapping[str, Mapping[str, Any]]`, *optional*): Task to what the user gave.

    Returns:
        `dict[str, Any]`: Its hyper-parameters and options.

    Raises:
        ValueError: If a hyper-parameter is not known.
    """
    options, rest = _split(task, overrides or {})
    defaults = {name: getattr(task, name) for name in getattr(task, "options", ())}
    return {**asdict(finetuning_settings(task.name, rest)), **defaults, **options}


def _split(
    task: Any, overrides: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], Mapping[str, Mapping[str, Any]]]:
    given = dict(overrides.get(task.name, {}))
    options = {name: given.pop(name) for name in getattr(task, "options", ()) if name in given}
    return options, {**overrides, task.name: given}
