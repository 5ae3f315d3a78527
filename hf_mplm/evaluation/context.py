"""What a task is given by the runner: the model, the data, the settings, and what is finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .encoder import Encoder
from .fetching import Origin
from .files.reads import recorded_reads
from .measured import MeasuredModel
from .results import ResultRow, make_row
from .settings import EvaluationSettings
from .task import Cell, Skip
from .vocabulary import Vocabulary


__all__ = ["Context", "Needs"]


@dataclass(frozen=True)
class Needs:
    """What a score depends on besides the model.

    Args:
        settings (`Mapping[str, Any]`): Settings that are no part of the row, as JSON can hold them.
        files (`frozenset[Path]`): The files that are read for it.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    files: frozenset[Path] = frozenset()


@dataclass
class Context:
    """Everything that a task is given by the runner.

    Args:
        model (`MeasuredModel`): What is measured.
        data_dir (`Path`): The folder with one folder a benchmark.
        settings (`EvaluationSettings`): What the run is asked for.
        progress (`bool`): Whether to show progress bars.
        finished (`set[Cell]`): Cells that need not be computed again.
        skips (`list[Skip]`): Filled by the tasks: what was left out.
        needs (`dict[Cell, Needs]`): Filled by the tasks: what each cell depends on.
        vocabulary (`Vocabulary`, *optional*): The words that tasks on words choose from.
        opened (`dict[str, tuple]`): Filled by [`Context.open`]: by task, its benchmark and the files read to open it.
        origins (`Mapping[str, Origin]`): Where folders of the data folder are from, if they are from the Hub.
    """

    model: MeasuredModel
    data_dir: Path
    settings: EvaluationSettings = field(default_factory=EvaluationSettings)
    progress: bool = False
    finished: set[Cell] = field(default_factory=set)
    skips: list[Skip] = field(default_factory=list)
    needs: dict[Cell, Needs] = field(default_factory=dict)
    vocabulary: Vocabulary | None = None
    opened: dict[str, tuple[Any, frozenset[Path]]] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded when it is first needed."""
        return self.model.encoder

    @property
    def layer(self) -> int:
        """The layer to pool."""
        return self.model.layer

    @property
    def source_languages(self) -> tuple[str, ...]:
        """The languages to train on or to retrieve from."""
        return tuple(self.settings.source_languages)

    @property
    def data_place(self) -> str:
        """Where the data are from, for messages."""
        ids = dict.fromkeys(origin.id for origin in self.origins.values())
        return f"the Hub ({', '.join(ids)})" if ids else str(self.data_dir)

    def open(self, task: str, opener: Callable[[Path], Any]) -> tuple[Any, frozenset[Path]]:
        """Open the benchmark of a task, once a run: to find its languages it looks into every file.

        Args:
            task (`str`): The task.
            opener (`Callable[[Path], Any]`): Opens its benchmark under a data folder.

        Returns:
            `tuple[Any, frozenset[Path]]`: The benchmark, and the files that were read to open it.
        """
        if task not in self.opened:
            with recorded_reads() as files:
                corpus = opener(self.data_dir)
            self.opened[task] = corpus, frozenset(files)
        return self.opened[task]

    def depends(self, cell: Cell, files: Iterable[Path], settings: Mapping[str, Any]) -> None:
        """Note what a cell depends on, before anything is computed.

        Args:
            cell (`Cell`): The cell.
            files (`Iterable[Path]`): The files that are read for it.
            settings (`Mapping[str, Any]`): Settings that are no part of the row.
        """
        self.needs[cell] = Needs(dict(settings), frozenset(files))

    def needs_of(self, cell: Cell) -> Needs:
        """Tell what a cell depends on: of a task that did not say, how sentences become vectors."""
        return self.needs.get(cell) or Needs({"encoding": dict(self.model.encoding)})

    def rows(self, cell: Cell, metrics: Mapping[str, float], *, n: int, n_skipped: int = 0) -> list[ResultRow]:
        """Make the result rows of a cell.

        Args:
            cell (`Cell`): What was computed.
            metrics (`Mapping[str, float]`): Metric to value.
            n (`int`): Number of items scored.
            n_skipped (`int`, *optional*, defaults to 0): Number of items that could not be scored.

        Returns:
            `list[ResultRow]`: One row a metric.
        """
        return [
            make_row(
                **cell._asdict(),
                metric=metric,
                value=value,
                n=n,
                n_skipped=n_skipped,
                model=self.model.name,
                revision=self.model.revision,
            )
            for metric, value in metrics.items()
        ]

    def skip(self, task: str, language: str, reason: object) -> None:
        """Note that something was left out.

        Args:
            task (`str`): The task.
            language (`str`): The language, `""` where it concerns the whole task.
            reason (`object`): Why, as a sentence or an exception.
        """
        entry = Skip(task, language, str(reason))
        if entry not in self.skips:
            self.skips.append(entry)
