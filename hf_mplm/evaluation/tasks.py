"""The tasks by name: every module of `benchmarks` has one, called as the module is."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import Any

from hf_mplm._lists import split_list

from . import benchmarks
from .task import Task


__all__ = ["TASKS", "find_tasks", "get_task", "task_type"]

#: Task name to the module that holds it. A module is imported when its task is first asked for.
TASKS: dict[str, str] = {
    module.name: f"{benchmarks.__name__}.{module.name}"
    for module in pkgutil.iter_modules(benchmarks.__path__)
    if not module.name.startswith("_")
}


def get_task(name: str) -> Task:
    """Import the task of a name.

    Args:
        name (`str`): A key of `TASKS`.

    Returns:
        `Task`: The `TASK` of its module.

    Raises:
        ValueError: If there is no such task, naming the nearest ones.
    """
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"there is no task {name!r}; {hint} The tasks are {', '.join(TASKS)}")
    task: Task = importlib.import_module(TASKS[name]).TASK
    return task


def find_tasks(tasks: Any) -> list[Task]:
    """Take tasks as [`evaluate`] is given them.

    Args:
        tasks (`str`, `Task` or `Iterable`): Names, which a string may separate by commas, and objects.

    Returns:
        `list[Task]`: The tasks, each once.

    Raises:
        ValueError: If there is none, a name is not known, or two tasks have the same name.
        TypeError: If an object is no task.
    """
    given = [tasks] if isinstance(tasks, str) or hasattr(tasks, "evaluate") else list(tasks)
    found: dict[str, Task] = {}
    for entry in given:
        names = split_list(entry) if isinstance(entry, str) else [entry]
        for task in (get_task(name) if isinstance(name, str) else name for name in names):
            lacking = [name for name in ("name", "languages", "check", "evaluate") if not hasattr(task, name)]
            if lacking or isinstance(task, type):
                why = "is a class; make an object of it" if isinstance(task, type) else f"has no {', '.join(lacking)}"
                raise TypeError(f"{task!r} {why}: a task is a name or an object with the members of Task")
            if found.setdefault(task.name, task) is not task:
                raise ValueError(f"two tasks are called {task.name!r}; give one of them another name")
    if not found:
        raise ValueError(f"no task was given; the tasks are {', '.join(TASKS)}")
    return list(found.values())


def task_type(name: str) -> str:
    """The Hub's name of what a task asks for.

    Args:
        name (`str`): Name of a task.

    Returns:
        `str`: Such as `"token-classification"`.

    Raises:
        ValueError: If there is no such task, or it does not say.
    """
    kind = getattr(get_task(name), "hub_type", "")
    if not kind:
        raise ValueError(f"the task {name} does not say of which type it is on the Hub; give it a hub_type")
    return str(kind)
