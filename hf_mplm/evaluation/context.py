from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from transformers import AutoModel, PreTrainedModel

from .encoder import Encoder
from .loading import load_model
from .results import NOT_APPLICABLE, ResultRow, make_row


__all__ = ["Cell", "Context", "Skip", "Task"]


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
    """A cell that was left out, and why."""

    task: str
    language: str
    reason: str


@dataclass
class Context:
    """Everything that a task is given by the runner.

    Args:
        model (`str`): Hub id or path of the model, for tasks that fine-tune; `""` where only an encoder was given.
        revision (`str`): Its commit or fingerprint.
        data_dir (`Path`): The folder with one folder a benchmark.
        make_encoder (`Callable[[], Encoder]`): Loads the encoder when a task first asks for it.
        source_languages (`Sequence[str]`): Languages to train on or to retrieve from.
        directions (`Sequence[str]`): `"source->target"`, `"target->source"` or both.
        retrieval_settings (`Sequence[str]`): Of `"plain"`, `"centred"`, `"csls"` and `"centred+csls"`.
        special_tokens (`bool`): Whether special tokens count in the mean.
        csls_neighbours (`int`): Neighbours of CSLS.
        max_sentences (`Mapping[str, int]`): Task to the most sentence pairs of a language.
        transfer_settings (`Sequence[str]`): Of `"zero-shot"`, `"few-shot-K"`, `"in-language"` and `"probe"`.
        seeds (`Sequence[int]`): Seeds of the fine-tuned heads and their batches.
        finetuning (`Mapping[str, Mapping[str, Any]]`): Task to hyper-parameters that replace those of its recipe.
        layer (`int`): The layer to pool.
        trust_remote_code (`bool`): Whether code that comes with the model may run.
        hub_revision (`str`, *optional*): Commit, tag or branch on the Hub.
        progress (`bool`): Whether to show progress bars.
        train_file (`str`, *optional*): A training file that takes the place of the benchmark's own.
        finished (`set[Cell]`): Cells that need not be computed again.
        skips (`list[Skip]`): Filled by the tasks: what was left out.
    """

    model: str
    revision: str
    data_dir: Path
    make_encoder: Callable[[], Encoder]
    source_languages: Sequence[str] = ("eng_Latn",)
    directions: Sequence[str] = ("source->target",)
    retrieval_settings: Sequence[str] = ("plain",)
    special_tokens: bool = True
    csls_neighbours: int = 10
    max_sentences: Mapping[str, int] = field(default_factory=dict)
    transfer_settings: Sequence[str] = ("zero-shot",)
    seeds: Sequence[int] = (42,)
    finetuning: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    layer: int = NOT_APPLICABLE
    trust_remote_code: bool = False
    hub_revision: str | None = None
    progress: bool = False
    train_file: str | None = None
    finished: set[Cell] = field(default_factory=set)
    skips: list[Skip] = field(default_factory=list)
    _encoder: Encoder | None = field(default=None, init=False, repr=False)

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded when it is first needed."""
        if self._encoder is None:
            self._encoder = self.make_encoder()
        return self._encoder

    def load_model(self, auto_class: Any = AutoModel, labels: Sequence[str] | None = None) -> PreTrainedModel:
        """Load the checkpoint of the run, with a new head where the auto class has one.

        Args:
            auto_class (*optional*, defaults to `AutoModel`): The auto class to load with.
            labels (`Sequence[str]`, *optional*): The names of the head's outputs, in order.

        Returns:
            `PreTrainedModel`: The model in float32.
        """
        head: dict[str, Any] = {}
        if labels is not None:
            head["id2label"] = dict(enumerate(labels))
            head["label2id"] = {label: index for index, label in enumerate(labels)}
        return load_model(
            self.model, auto_class, trust_remote_code=self.trust_remote_code, revision=self.hub_revision, **head
        )

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
                model=self.model,
                revision=self.revision,
            )
            for metric, value in metrics.items()
        ]

    def skip(self, task: str, language: str, reason: object) -> None:
        """Note that a language was left out.

        Args:
            task (`str`): The task.
            language (`str`): The language.
            reason (`object`): Why, as a sentence or an exception.
        """
        entry = Skip(task, language, str(reason))
        if entry not in self.skips:
            self.skips.append(entry)


class Task(Protocol):
    """What the runner needs of a task. Each task's module has a `TASK` of this form.

    Attributes:
        name (`str`): Its name on the command line and in the results.
    """

    name: str

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
