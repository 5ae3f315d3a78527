from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic

from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from ..context import Cell, Context
from ..files.corpus import Corpus, Example, MissingDataError
from ..loading import load_tokenizer, position_limit
from ..results import NOT_APPLICABLE, ResultRow
from ..task_options import with_options
from .examples import Features, Scores
from .finetuning import Batch, FineTuningSettings, Row, finetune, finetuning_settings, predict, with_seed


__all__ = ["Features", "Scores", "TransferTask"]

ZERO_SHOT, IN_LANGUAGE, PROBE = "zero-shot", "in-language", "probe"
FEW_SHOT = re.compile(r"few-shot-([1-9]\d*)")


@dataclass
class TransferTask(ABC, Generic[Example]):
    """A task for which a head is trained on a source language and scored on every other.

    A subclass says how a file becomes examples, examples become rows, a batch of rows becomes a loss, and predictions
    become metrics; the order of work, the settings (zero-shot, few-shot, in-language) and what is finished are the
    same for all.

    Args:
        name (`str`): Name of the task.
    """

    name: str

    #: The metric by which the dev set chooses.
    selection_metric = ""
    #: Those of its fields that may stand among the hyper-parameters of the task.
    options: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def corpus(self, data_dir: Path, train_file: str | None = None) -> Corpus[Example]:
        """Open the benchmark under a data folder, with its training data taken from another file if one is given."""

    @abstractmethod
    def make_model(self, context: Context) -> PreTrainedModel:
        """Load the encoder with a new head. The random state has been seeded."""

    @abstractmethod
    def features(
        self,
        examples: Sequence[Example],
        tokenizer: PreTrainedTokenizerBase,
        settings: FineTuningSettings,
        *,
        train: bool,
    ) -> Features:
        """Tokenise examples once, without padding."""

    @abstractmethod
    def collate(self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase) -> Batch:
        """Pad rows to the longest of them."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum the losses of the items of a batch."""

    @abstractmethod
    def count(self, batch: Batch) -> int:
        """Count the items of a batch."""

    @abstractmethod
    def decode(self, model: nn.Module, batch: Batch) -> Sequence[Any]:
        """Predict; one small value a row."""

    @abstractmethod
    def score(
        self, examples: Sequence[Example], features: Features, predictions: Sequence[Any], language: str
    ) -> Scores:
        """Compare predictions with what is right."""

    def languages(self, data_dir: Path) -> list[str]:
        """List the language-scripts of which there are test data.

        Args:
            data_dir (`Path`): The folder with one folder a benchmark.

        Returns:
            `list[str]`: Codes, sorted.
        """
        return self.corpus(data_dir).languages()

    def settings(self, context: Context) -> list[str]:
        """List the transfer settings that apply to this task.

        Args:
            context (`Context`): The settings of the run.

        Returns:
            `list[str]`: Of `"zero-shot"`, `"few-shot-K"` and `"in-language"`.

        Raises:
            ValueError: If a setting is not known.
        """
        for setting in context.transfer_settings:
            if setting not in (ZERO_SHOT, IN_LANGUAGE, PROBE) and not FEW_SHOT.fullmatch(setting):
                raise ValueError(
                    f"transfer setting {setting!r} is not known; choose of zero-shot, few-shot-K (few-shot-10), "
                    "in-language and probe"
                )
        return [setting for setting in context.transfer_settings if setting != PROBE]

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
        task, context = with_options(self, context)
        settings = task.settings(context)
        finetuning_settings(task.name, context.finetuning)
        corpus = task.corpus(context.data_dir, context.train_file)
        if context.transfer_settings != [IN_LANGUAGE]:
            for source in context.source_languages:
                for split in ("train", "dev"):
                    corpus.examples(source, split)
        for language in languages:
            splits = ["test", *(["train", "dev"] if IN_LANGUAGE in settings else [])]
            splits += ["train"] if any(FEW_SHOT.fullmatch(setting) for setting in settings) else []
            for split in splits:
                try:
                    corpus.examples(language, split)
                except MissingDataError as error:
                    context.skip(task.name, language, error)

    def evaluate(self, context: Context, languages: Sequence[str]) -> Iterator[list[ResultRow]]:
        """Train once a source language and seed, and score every language that is not finished.

        Args:
            context (`Context`): The settings.
            languages (`Sequence[str]`): Codes of the languages to score.

        Yields:
            `list[ResultRow]`: All metrics of one language.
        """
        task, context = with_options(self, context)
        runs: list[tuple[str, str, list[str]]] = []
        for setting in task.settings(context):
            if setting == IN_LANGUAGE:
                runs.extend((setting, language, [language]) for language in languages)
            else:
                runs.extend((setting, source, list(languages)) for source in context.source_languages)
        for setting, source, targets in runs:
            for seed in context.seeds:
                cells = [Cell(task.name, target, source, "", setting, NOT_APPLICABLE, seed) for target in targets]
                if FEW_SHOT.fullmatch(setting):
                    cells = [cell for cell in cells if cell.language != source]
                cells = [cell for cell in cells if cell not in context.finished]
                if cells:
                    yield from task._run(context, cells)

    def _run(self, context: Context, cells: Sequence[Cell]) -> Iterator[list[ResultRow]]:
        setting, source, seed = cells[0].setting, cells[0].source_language, cells[0].seed
        corpus = self.corpus(context.data_dir, context.train_file)
        tests: dict[str, Sequence[Example]] = {}
        for cell in cells:
            try:
                tests[cell.language] = corpus.examples(cell.language, "test")
                if setting == IN_LANGUAGE:
                    corpus.examples(source, "train")
            except MissingDataError as error:
                context.skip(self.name, cell.language, error)
        cells = [cell for cell in cells if cell.language in tests]
        if not cells:
            return
        tokenizer = load_tokenizer(
            context.model, trust_remote_code=context.trust_remote_code, revision=context.hub_revision
        )
        settings = with_seed(finetuning_settings(self.name, context.finetuning), seed)
        # The head is drawn here: seeding after the model is built would leave it to chance.
        set_seed(seed)
        model = self.make_model(context)
        settings = _within_window(settings, position_limit(model, tokenizer))
        self._train(context, model, tokenizer, corpus, source, settings)
        few_shot = FEW_SHOT.fullmatch(setting)
        start = {name: weight.clone() for name, weight in model.state_dict().items()} if few_shot else {}
        for cell in cells:
            if few_shot:
                try:
                    train = corpus.examples(cell.language, "train")
                except MissingDataError as error:
                    context.skip(self.name, cell.language, error)
                    continue
                model.load_state_dict(start)
                chosen = random.Random(seed).sample(range(len(train)), min(int(few_shot[1]), len(train)))
                self._tune(context, model, tokenizer, [train[index] for index in chosen], settings, cell.language)
            examples = tests[cell.language]
            scores = self._score(model, tokenizer, examples, settings, cell.language)
            yield context.rows(cell, scores.metrics, n=scores.n, n_skipped=scores.n_skipped)

    def _train(
        self,
        context: Context,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        corpus: Corpus[Example],
        source: str,
        settings: FineTuningSettings,
    ) -> None:
        dev = corpus.examples(source, "dev")
        dev_features = self.features(dev, tokenizer, settings, train=False)

        def score(tuned: PreTrainedModel) -> dict[str, float]:
            return dict(self._score(tuned, tokenizer, dev, settings, source, dev_features).metrics)

        self._tune(context, model, tokenizer, corpus.examples(source, "train"), settings, source, score)

    def _tune(
        self,
        context: Context,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        examples: Sequence[Example],
        settings: FineTuningSettings,
        language: str,
        score: Any = None,
    ) -> None:
        finetune(
            model,
            self.features(examples, tokenizer, settings, train=True).rows,
            settings,
            collate=lambda rows: self.collate(rows, tokenizer),
            loss=self.loss,
            count=self.count,
            score=score,
            metric=self.selection_metric,
            description=f"{self.name} {language}",
            progress=context.progress,
        )

    def _score(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        examples: Sequence[Example],
        settings: FineTuningSettings,
        language: str,
        features: Features | None = None,
    ) -> Scores:
        features = features or self.features(examples, tokenizer, settings, train=False)
        predictions = predict(
            model, features.rows, collate=lambda rows: self.collate(rows, tokenizer), decode=self.decode
        )
        return self.score(examples, features, predictions, language)


def _within_window(settings: FineTuningSettings, limit: int) -> FineTuningSettings:
    return replace(settings, max_length=min(settings.max_length, limit))
