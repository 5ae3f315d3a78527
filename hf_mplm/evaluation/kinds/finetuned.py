from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm._lists import as_list

from ..context import Context
from ..files.corpus import Corpus, Example, MissingDataError
from ..files.hub_data import HubData
from ..files.joint import JointCorpus
from ..files.splits import Splits
from ..results import ResultRow
from ..task import Cell
from .examples import Features, Scores
from .finetuning import Batch, FineTuningSettings, Row, finetuning_settings, with_seed
from .source_run import SourceRun
from .transfer_settings import IN_LANGUAGE, PROBE, few_shot_examples, finetuned_settings, transfer_cells


if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = ["TransferTask"]


@dataclass
class TransferTask(ABC, Generic[Example]):
    """A task for which a head is trained on a source language and scored on every other.

    A subclass says how a file becomes examples, examples become rows, a batch of rows becomes a loss, and predictions
    become metrics; the order of work, the settings (zero-shot, few-shot, in-language) and what is finished are the
    same for all.

    Args:
        name (`str`): Name of the task.
        finetuning (`FineTuningSettings`, *optional*): Its hyper-parameters, by default those under its name in the
            recipe `evaluate-langsamp`.
        hub_type (`str`, *optional*, defaults to `""`): What the Hub calls what it asks for.
        joint (`tuple[str, ...]`, *optional*): Codes of languages that are trained on together wherever the first of
            them is a source language.
        hub_data (`tuple[HubData, ...]`, *optional*): Where its benchmark is on the Hub, if there is no data folder.
    """

    name: str
    finetuning: FineTuningSettings | None = field(default=None, kw_only=True)
    hub_type: str = field(default="", kw_only=True)
    joint: tuple[str, ...] = field(default=(), kw_only=True)
    hub_data: tuple[HubData, ...] = field(default=(), kw_only=True)

    #: The metric by which the dev set chooses.
    selection_metric = ""
    #: Those of its fields that a run may replace, as hyper-parameters are.
    options: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def corpus(self, data_dir: Path, train_file: str | None = None) -> Corpus[Example]:
        """Open the benchmark.

        Args:
            data_dir (`Path`): The folder with one folder a benchmark.
            train_file (`str`, *optional*): A training file that takes the place of the benchmark's own, for those that
                come without any; the others do not look at it.

        Returns:
            `Corpus`: Its files.
        """

    def joint_corpus(self, data_dir: Path, train_file: str | None = None) -> Corpus[Example]:
        """Open the benchmark with the training data of `joint` languages as those of the first of them.

        Args:
            data_dir (`Path`): As for [`corpus`].
            train_file (`str`, *optional*): As for [`corpus`].

        Returns:
            `Corpus`: The benchmark itself where no languages are joint.
        """
        corpus = self.corpus(data_dir, train_file)
        return JointCorpus(corpus, as_list(self.joint)) if self.joint else corpus

    @abstractmethod
    def make_model(self, context: Context) -> PreTrainedModel:
        """Load the encoder with a new head. The random state has been seeded.

        Args:
            context (`Context`): The run.

        Returns:
            `PreTrainedModel`: The model in float32.
        """

    @abstractmethod
    def features(
        self,
        examples: Sequence[Example],
        tokenizer: PreTrainedTokenizerBase,
        settings: FineTuningSettings,
        *,
        train: bool,
    ) -> Features:
        """Tokenise examples once, without padding.

        Args:
            examples (`Sequence`): What [`Corpus.examples`] gave.
            tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
            settings (`FineTuningSettings`): For `max_length` and the like.
            train (`bool`): Whether the rows are trained on.

        Returns:
            `Features`: One row an example, or several.
        """

    @abstractmethod
    def collate(self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase) -> Batch:
        """Pad rows to the longest of them.

        Args:
            rows (`Sequence[dict]`): Rows of [`features`].
            tokenizer (`PreTrainedTokenizerBase`): The tokenizer.

        Returns:
            `dict[str, Tensor]`: `input_ids` and `attention_mask`, Shape: (rows, length), and what [`loss`] and
            [`decode`] need.
        """

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum the losses of the items of a batch.

        Args:
            model (`nn.Module`): What [`make_model`] gave.
            batch (`dict[str, Tensor]`): What [`collate`] gave.

        Returns:
            `Tensor`: A scalar.
        """

    @abstractmethod
    def count(self, batch: Batch) -> int:
        """Count the items of a batch, by whose number the sum of their losses is divided.

        Args:
            batch (`dict[str, Tensor]`): What [`collate`] gave.

        Returns:
            `int`: Their number.
        """

    @abstractmethod
    def decode(self, model: nn.Module, batch: Batch) -> Sequence[Any]:
        """Predict.

        Args:
            model (`nn.Module`): The model in evaluation mode.
            batch (`dict[str, Tensor]`): What [`collate`] gave.

        Returns:
            `Sequence`: One small value a row.
        """

    @abstractmethod
    def score(
        self, examples: Sequence[Example], features: Features, predictions: Sequence[Any], language: str
    ) -> Scores:
        """Compare predictions with what is right.

        Args:
            examples (`Sequence`): The items.
            features (`Features`): Their rows.
            predictions (`Sequence`): What [`decode`] gave for all rows.
            language (`str`): Code of the language-script, for messages.

        Returns:
            `Scores`: The metrics, as fractions.

        Raises:
            DataError: If there is nothing to score.
        """

    def languages(self, data_dir: Path) -> list[str]:
        """List the language-scripts of which there are test data.

        Args:
            data_dir (`Path`): The folder with one folder a benchmark.

        Returns:
            `list[str]`: Codes, sorted.
        """
        return self.corpus(data_dir).languages()

    def configured(self, options: Mapping[str, Any], common: Mapping[str, Any]) -> Self:
        """Replace what a run asks for: hyper-parameters, and options of the task's own.

        Args:
            options (`Mapping[str, Any]`): Field or hyper-parameter to value.
            common (`Mapping[str, Any]`): Hyper-parameters that hold for every task of the run.

        Returns:
            `TransferTask`: A copy.

        Raises:
            ValueError: If one is not known.
        """
        own = {name: value for name, value in options.items() if name in self.options}
        rest = {name: value for name, value in options.items() if name not in self.options}
        if not common and not rest:
            # A task that is only probed needs no hyper-parameters.
            return replace(self, **own)
        chosen = finetuning_settings(self.name, {"all": common, self.name: rest}, self.finetuning)
        return replace(self, finetuning=chosen, **own)

    def described(self) -> dict[str, Any]:
        """Write out its hyper-parameters and options."""
        return {**asdict(self._hyperparameters()), **{name: getattr(self, name) for name in self.options}}

    def settings(self, context: Context) -> list[str]:
        """List the transfer settings in which the task is fine-tuned.

        Args:
            context (`Context`): The settings of the run.

        Returns:
            `list[str]`: Of `"zero-shot"`, `"few-shot-K"` and `"in-language"`.

        Raises:
            ValueError: If a setting is not known.
        """
        return finetuned_settings(context)

    def cells(self, context: Context, languages: Sequence[str]) -> list[Cell]:
        """List what there is to compute.

        Args:
            context (`Context`): The settings of the run.
            languages (`Sequence[str]`): Codes of the languages to score.

        Returns:
            `list[Cell]`: In the order of settings, seeds, sources and languages.
        """
        return transfer_cells(self.name, self.settings(context), context, languages)

    def cell_settings(self, context: Context, cell: Cell) -> dict[str, Any]:
        """Tell which settings a score depends on that are no part of its row."""
        return {name: value for name, value in self.described().items() if name != "seed"}

    def check(self, context: Context, languages: Sequence[str]) -> None:
        """Read every file once, so that a fault in one is found before anything is trained.

        Args:
            context (`Context`): The settings; languages without data are noted in its `skips`.
            languages (`Sequence[str]`): Codes of the languages to score.

        Raises:
            DataError: If a file does not hold what its format promises.
            MissingDataError: If a source language has no training or dev data.
            ValueError: If a setting or a hyper-parameter is not known.
        """
        cells = self.cells(context, languages)
        if self.settings(context):
            self._hyperparameters()
        if not cells:
            asked = ", ".join(context.settings.transfer.settings)
            context.skip(self.name, "", f"there is nothing to compute with --transfer_settings {asked} in {languages}")
        splits = Splits(lambda: self.joint_corpus(context.data_dir, context.settings.transfer.train_file))
        if list(context.settings.transfer.settings) != [IN_LANGUAGE]:
            for source in context.source_languages:
                for split in ("train", "dev"):
                    splits.files(source, split)
        for cell in cells:
            needed = [(cell.source_language, "train"), (cell.source_language, "dev"), (cell.language, "test")]
            if few_shot_examples(cell.setting):
                needed.append((cell.language, "train"))
            try:
                files = frozenset().union(*(splits.files(*split) for split in needed))
            except MissingDataError as error:
                context.skip(self.name, cell.language, error)
                continue
            context.depends(cell, files, self.cell_settings(context, cell))

    def evaluate(self, context: Context, languages: Sequence[str]) -> Iterator[list[ResultRow]]:
        """Train once a source language and seed, and score every language that is not finished.

        Args:
            context (`Context`): The settings.
            languages (`Sequence[str]`): Codes of the languages to score.

        Yields:
            `list[ResultRow]`: All metrics of one language.
        """
        runs: dict[tuple[str, int], list[Cell]] = {}
        for cell in self.cells(context, languages):
            if cell.setting != PROBE and cell not in context.finished:
                runs.setdefault((cell.source_language, cell.seed), []).append(cell)
        for (source, seed), cells in runs.items():
            yield from SourceRun(self, context, source, with_seed(self._hyperparameters(), seed)).score(cells)

    def _hyperparameters(self) -> FineTuningSettings:
        return finetuning_settings(self.name, own=self.finetuning)
