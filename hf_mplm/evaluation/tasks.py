from __future__ import annotations

import difflib
import importlib

from .context import Task


__all__ = ["TASKS", "get_task"]

#: Task name to the module that holds it. A module is imported when its task is first asked for.
TASKS: dict[str, str] = {
    "bible": "hf_mplm.evaluation.benchmarks.bible",
    "tatoeba": "hf_mplm.evaluation.benchmarks.tatoeba",
    "flores": "hf_mplm.evaluation.benchmarks.flores",
    "taxi1500": "hf_mplm.evaluation.benchmarks.taxi1500",
    "sib200": "hf_mplm.evaluation.benchmarks.sib200",
    "xnli": "hf_mplm.evaluation.benchmarks.xnli",
    "americasnli": "hf_mplm.evaluation.benchmarks.americasnli",
    "pawsx": "hf_mplm.evaluation.benchmarks.pawsx",
    "ner": "hf_mplm.evaluation.benchmarks.ner",
    "pos": "hf_mplm.evaluation.benchmarks.pos",
    "parsing": "hf_mplm.evaluation.benchmarks.parsing",
    "xquad": "hf_mplm.evaluation.benchmarks.xquad",
    "tydiqa": "hf_mplm.evaluation.benchmarks.tydiqa",
    "mlqa": "hf_mplm.evaluation.benchmarks.mlqa",
    "neutrality": "hf_mplm.evaluation.benchmarks.neutrality",
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
