"""Where a reference study stands and what it is given, and the commands that its methods share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from examples.commands import run


@dataclass(frozen=True)
class Study:
    """One study.

    Args:
        model (`str`): The masked-LM checkpoint that everything starts from.
        data (`Path`): Folder with one folder a benchmark.
        output (`Path`): Where everything is written.
        size (`str`): `"small"` or `"full"`.
        seeds (`Sequence[int]`): Of the trainings.
        results (`Mapping[str, Path]`, *optional*): Method to a folder in which its runs stand already; they are read,
            and nothing is run.
    """

    model: str
    data: Path
    output: Path
    size: str
    seeds: Sequence[int]
    results: Mapping[str, Path] = field(default_factory=dict)

    def folder(self, method: str) -> Path:
        """Where the runs of a method stand."""
        return self.results.get(method, self.output / method)

    def whole(self, folders: Sequence[Path]) -> bool:
        """Whether all of these have results."""
        return all((folder / "results.parquet").is_file() for folder in folders)


def trained(output: Path, steps: int) -> bool:
    """Whether a run of so many steps is finished."""
    state = output / "trainer_state.json"
    return state.is_file() and json.loads(state.read_text(encoding="utf-8"))["global_step"] >= steps


def evaluate(study: Study, model: object, tasks: str, output: Path, *flags: object) -> None:
    """Measure a model on frozen vectors: retrieval, and linear probes."""
    data = ("--data_dir", study.data, "--output", output, "--transfer_settings", "probe")
    run("evaluate", "--config", "evaluate-langsamp", "--model", model, "--tasks", tasks, *data, *flags)


def most(limits: Mapping[str, int]) -> tuple[str, ...]:
    """The flag that takes only so many sentences of a task, where there are limits."""
    return ("--max_sentences", json.dumps(limits)) if limits else ()
