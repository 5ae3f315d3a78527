"""Options of a task's own, which are fields of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar


__all__ = ["with_options"]

AnyTask = TypeVar("AnyTask", bound=Any)


def with_options(task: AnyTask, options: Mapping[str, Any]) -> AnyTask:
    """Replace fields of a task.

    Args:
        task (`Task`): A dataclass that lists in `options` which of its fields a run may replace.
        options (`Mapping[str, Any]`): Field to value.

    Returns:
        `Task`: A copy.

    Raises:
        ValueError: If a field is none of them, or a number of sentences is not 1 or more.
    """
    unknown = sorted(set(options) - set(task.options))
    if unknown:
        raise ValueError(f"{task.name} takes no {', '.join(unknown)}; it takes {', '.join(task.options)}")
    limit = options.get("max_sentences")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise ValueError(f"max_sentences of {task.name} is {limit!r}; needed is a whole number of 1 or more")
    return replace(task, **options)
