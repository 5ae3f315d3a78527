"""What guessing reaches at a task, and whether a score tells more."""

from __future__ import annotations

import math

from .tasks import TASKS, get_task


__all__ = ["chance_level", "is_at_chance"]


def chance_level(task: str, metric: str, n: int) -> float | None:
    """The score of guessing: the share of answers that are taken, of all that there are.

    Args:
        task (`str`): Name of the task.
        metric (`str`): Of classification `accuracy` or `macro_f1`, of retrieval `accuracy@K`.
        n (`int`): Items that were scored, among which retrieval looks for the right one.

    Returns:
        `float` or `None`: The score, for `macro_f1` that of guessing between labels that are equally frequent; `None`
        where it is not known.
    """
    if metric.startswith("accuracy@") and n > 0:
        return min(1.0, int(metric.partition("@")[2]) / n)
    if task not in TASKS or metric not in ("accuracy", "macro_f1"):
        return None
    found = get_task(task)
    labels = getattr(found, "labels", ())
    return 1 / len(labels) if labels and getattr(found, "hub_type", "") == "text-classification" else None


def is_at_chance(task: str, metric: str, value: float, n: int) -> bool:
    """Tell whether a score is within two standard errors of guessing, or below.

    Args:
        task (`str`): Name of the task.
        metric (`str`): Its metric.
        value (`float`): The score.
        n (`int`): Items that were scored.
    """
    level = chance_level(task, metric, n)
    return level is not None and n > 0 and value <= level + 2 * math.sqrt(level * (1 - level) / n)
