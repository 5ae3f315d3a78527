"""Options of a task's own, which are fields of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from typing_extensions import Self


__all__ = ["UntunedTask", "with_options"]

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


class UntunedTask:
    """What the tasks share in which no model is fine-tuned: their languages, and the options of a run."""

    options: ClassVar[tuple[str, ...]] = ()
    # A method, or a field that holds a function of the data folder.
    corpus: Any

    def configured(self, options: Mapping[str, Any], common: Mapping[str, Any]) -> Self:
        """Replace the fields that a run asks for.

        Args:
            options (`Mapping[str, Any]`): Field to value, of those that `options` lists.
            common (`Mapping[str, Any]`): Not used: hyper-parameters of fine-tuning.

        Returns:
            `UntunedTask`: A copy.

        Raises:
            ValueError: If one is not known.
        """
        return with_options(self, options)

    def languages(self, data_dir: Path) -> list[str]:
        """List the language-scripts of which the benchmark has something to score.

        Args:
            data_dir (`Path`): The folder with one folder a benchmark.

        Returns:
            `list[str]`: Codes, sorted.
        """
        codes: list[str] = self.corpus(data_dir).languages()
        return codes
