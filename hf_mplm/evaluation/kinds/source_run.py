"""One source language and seed: a model is trained, and scored in all settings that begin with it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor
from transformers import PreTrainedModel, set_seed

from ..context import Context
from ..files.corpus import MissingDataError
from ..loading import position_limit
from ..results import ResultRow
from ..task import Cell
from .examples import Features, Scores
from .finetuning import FineTuningSettings, finetune, predict
from .transfer_settings import IN_LANGUAGE, few_shot_examples


if TYPE_CHECKING:
    from .finetuned import TransferTask

__all__ = ["SourceRun"]


class SourceRun:
    """Trains a task on one source language with one seed, and scores other languages.

    Args:
        task (`TransferTask`): The task.
        context (`Context`): The run.
        source (`str`): Code of the source language.
        settings (`FineTuningSettings`): Hyper-parameters, with the seed.
    """

    def __init__(self, task: TransferTask[Any], context: Context, source: str, settings: FineTuningSettings) -> None:
        self.task, self.context, self.source = task, context, source
        self.corpus = task.joint_corpus(context.data_dir, context.settings.transfer.train_file)
        self.tokenizer = context.model.load_tokenizer()
        self.settings = settings

    def score(self, cells: Sequence[Cell]) -> Iterator[list[ResultRow]]:
        """Train, and score; few-shot tuning starts from what the source alone gave.

        Args:
            cells (`Sequence[Cell]`): What to compute, all of this source and seed. Languages without data are noted
                in the context's `skips`.

        Yields:
            `list[ResultRow]`: All metrics of one language.
        """
        readable = [cell for cell in cells if self._is_readable(cell)]
        if not readable:
            return
        # The head is drawn here: seeding after the model is built would leave it to chance.
        set_seed(self.settings.seed)
        model = self.task.make_model(self.context)
        window = min(self.settings.max_length, position_limit(model, self.tokenizer))
        self.settings = replace(self.settings, max_length=window)
        self._train(model)
        # What is scored as it is comes before what is tuned further.
        readable.sort(key=lambda cell: few_shot_examples(cell.setting) > 0)
        start: dict[str, Tensor] = {}
        if few_shot_examples(readable[-1].setting):
            start = {name: weight.clone() for name, weight in model.state_dict().items()}
        for cell in readable:
            if shots := few_shot_examples(cell.setting):
                train = self.corpus.examples(cell.language, "train")
                model.load_state_dict(start)
                chosen = random.Random(self.settings.seed).sample(range(len(train)), min(shots, len(train)))
                self._tune(model, [train[index] for index in chosen], cell.language)
            scores = self._score(model, self.corpus.examples(cell.language, "test"), cell.language)
            yield self.context.rows(cell, scores.metrics, n=scores.n, n_skipped=scores.n_skipped)

    def _is_readable(self, cell: Cell) -> bool:
        try:
            self.corpus.examples(cell.language, "test")
            if cell.setting == IN_LANGUAGE:
                self.corpus.examples(self.source, "train")
                self.corpus.examples(self.source, "dev")
            if few_shot_examples(cell.setting):
                self.corpus.examples(cell.language, "train")
        except MissingDataError as error:
            self.context.skip(self.task.name, cell.language, error)
            return False
        return True

    def _train(self, model: PreTrainedModel) -> None:
        dev = self.corpus.examples(self.source, "dev")
        dev_features = self.task.features(dev, self.tokenizer, self.settings, train=False)

        def score(tuned: PreTrainedModel) -> dict[str, float]:
            return dict(self._score(tuned, dev, self.source, dev_features).metrics)

        self._tune(model, self.corpus.examples(self.source, "train"), self.source, score)

    def _tune(
        self,
        model: PreTrainedModel,
        examples: Sequence[Any],
        language: str,
        score: Callable[[PreTrainedModel], dict[str, float]] | None = None,
    ) -> None:
        finetune(
            model,
            self.task.features(examples, self.tokenizer, self.settings, train=True).rows,
            self.settings,
            collate=lambda rows: self.task.collate(rows, self.tokenizer),
            loss=self.task.loss,
            count=self.task.count,
            score=score,
            metric=self.task.selection_metric,
            description=f"{self.task.name} {language}",
            progress=self.context.progress,
        )

    def _score(
        self, model: PreTrainedModel, examples: Sequence[Any], language: str, features: Features | None = None
    ) -> Scores:
        features = features or self.task.features(examples, self.tokenizer, self.settings, train=False)
        predictions = predict(
            model,
            features.rows,
            collate=lambda rows: self.task.collate(rows, self.tokenizer),
            decode=self.task.decode,
        )
        return self.task.score(examples, features, predictions, language)
