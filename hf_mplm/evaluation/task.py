"""What a task is, and what it computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from .results import NOT_APPLICABLE, ResultRow


if TYPE_CHECKING:
    from .context import Context


__all__ = ["Cell", "Skip", "Task", "row_cell", "training_free_cell"]


class Cell(NamedTuple):
    """What is computed, or found finished, as one piece: all metrics of one language under one setting."""

    task: str
    language: str
    source_language: str
    direction: str
    setting: str
    layer: int
    seed: int


class Skip(NamedTuple):
    """What was left out, and why. The language is `""` where it concerns the whole task."""

    task: str
    language: str
    reason: str


@runtime_checkable
class Task(Protocol):
    """What the runner needs of a task. Each module of `benchmarks` has a `TASK` of this form.

    A task of your own is given to [`evaluate`] as an object, most easily a record of one of the kinds:
    `ClassificationTask("mine", labels, MyCorpus, ("accuracy",), finetuning=FineTuningSettings(...))`. Tasks that have
    a method `configured(options, common)` take the options of a run, and those with a `hub_type` enter model cards.

    Attributes:
        name (`str`): Its name on the command line and in the results.
    """

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        ...

    def languages(self, data_dir: Path) -> list[str]:
        """List the language-scripts of which there are test data.

        Args:
            data_dir (`Path`): The folder with one folder a benchmark.

        Returns:
            `list[str]`: Codes, sorted.
        """
        ...

    def check(self, context: Context, languages: Sequence[str]) -> None:
        """Read every file that will be needed, so that a fault in one is found before anything is computed.

        What each cell depends on is told by [`Context.depends`], so that it is computed again when that has changed.

        Args:
            context (`Context`): The settings; languages without data are noted in its `skips`.
            languages (`Sequence[str]`): Codes of the languages to score.

        Raises:
            DataError: If a file does not hold what its format promises.
            MissingDataError: If a source language has no data.
        """
        ...

    def evaluate(self, context: Context, languages: Sequence[str]) -> Iterator[list[ResultRow]]:
        """Compute the cells that are not finished.

        Args:
            context (`Context`): The settings.
            languages (`Sequence[str]`): Codes of the languages to score.

        Yields:
            `list[ResultRow]`: The rows of one finished cell.
        """
        ...


def row_cell(row: ResultRow) -> Cell:
    """Tell which cell a row belongs to.

    Args:
        row (`ResultRow`): A result.

    Returns:
        `Cell`: Its cell.
    """
    return Cell(*(getattr(row, name) for name in Cell._fields))


def training_free_cell(
    task: str, language: str, *, source: str = "", direction: str = "", setting: str, layer: int
) -> Cell:
    """Make the cell of a measurement in which nothing is trained or drawn.

    Args:
        task (`str`): Name of the task.
        language (`str`): The language that is scored.
        setting (`str`): How it is measured.
        layer (`int`): The layer that is pooled.
        source (`str`, *optional*, defaults to `""`): The other side.
        direction (`str`, *optional*, defaults to `""`): Direction of a retrieval.

    Returns:
        `Cell`: With the seed -1.
    """
    return Cell(task, language, source, direction, setting, layer, NOT_APPLICABLE)
