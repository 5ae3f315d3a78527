"""Extractive question answering: a head that finds where in a passage the answer begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForQuestionAnswering, PreTrainedModel, PreTrainedTokenizerBase

from ..context import Context
from ..files.question_corpus import QuestionCorpus
from ..files.squad import Question
from ..metrics.squad import answer_scores, normalize_mlqa, normalize_squad
from .examples import Features, Scores
from .finetuned import TransferTask
from .finetuning import Batch, FineTuningSettings, Row, pad_rows
from .spans import Spans, best_spans, best_text, question_windows, target_span
from .transfer_settings import ZERO_SHOT


__all__ = ["QuestionAnsweringTask"]

NORMALIZATIONS = {"squad": normalize_squad, "mlqa": normalize_mlqa}


@dataclass
class QuestionAnsweringTask(TransferTask[Question]):
    """Extractive question answering, scored by exact match and F1.

    Args:
        name (`str`): Name of the task.
        open_corpus (`Callable[[Path, str | None], QuestionCorpus]`): Opens the benchmark under a data folder.
        normalization (`str`): How answers are compared: `"squad"` as SQuAD 1.1's scorer does, in every language by
            English rules, or `"mlqa"` as MLQA's does, by the rules of each.
        n_best (`int`, *optional*, defaults to 20): Spans of a window that are considered.
        max_answer_length (`int`, *optional*, defaults to 30): Most tokens of an answer.
    """

    open_corpus: Callable[[Path, str | None], QuestionCorpus]
    normalization: str
    n_best: int = 20
    max_answer_length: int = 30
    hub_type: str = field(default="question-answering", kw_only=True)
    selection_metric = "f1"
    options = ("normalization", "n_best", "max_answer_length")

    def __post_init__(self) -> None:
        if self.normalization not in NORMALIZATIONS:
            raise ValueError(
                f"{self.name}: normalization {self.normalization!r} is none of {', '.join(NORMALIZATIONS)}"
            )
        for option in ("n_best", "max_answer_length"):
            if getattr(self, option) < 1:
                raise ValueError(f"{self.name}: {option} must be 1 or more, not {getattr(self, option)}")

    def corpus(self, data_dir: Path, train_file: str | None = None) -> QuestionCorpus:
        return self.open_corpus(data_dir, train_file)

    def settings(self, context: Context) -> list[str]:
        """List the transfer settings that apply to this task.

        Args:
            context (`Context`): The settings of the run.

        Returns:
            `list[str]`: Of `"zero-shot"`, `"few-shot-K"` and `"in-language"`.

        Raises:
            ValueError: If a setting is not known, or one training file is to serve several languages.
        """
        settings = super().settings(context)
        if context.settings.transfer.train_file and (
            settings not in ([], [ZERO_SHOT]) or len(context.source_languages) > 1
        ):
            raise ValueError(
                f"{self.name}: --train_file holds one source language, so that it goes with --transfer_settings "
                f"zero-shot and one --source_languages only, not with {', '.join(settings)} from "
                f"{', '.join(context.source_languages)}"
            )
        return settings

    def make_model(self, context: Context) -> PreTrainedModel:
        return context.model.load(AutoModelForQuestionAnswering)

    def features(
        self,
        examples: Sequence[Question],
        tokenizer: PreTrainedTokenizerBase,
        settings: FineTuningSettings,
        *,
        train: bool,
    ) -> Features:
        """Put each question before each window of its passage."""
        rows = []
        for row in question_windows(examples, tokenizer, settings.max_length, settings.doc_stride):
            if train:
                row["start"], row["end"] = target_span(row, examples[row["example"]])
            rows.append(row)
        return Features(rows)

    def collate(self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase) -> Batch:
        batch = pad_rows(rows, tokenizer, ["input_ids", "token_type_ids"])
        batch["first"] = torch.tensor([row["first"] for row in rows])
        batch["stop"] = torch.tensor([row["first"] + len(row["offsets"]) for row in rows])
        for key in ("start", "end"):
            if key in rows[0]:
                batch[key] = torch.tensor([row[key] for row in rows])
        return batch

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum the mean cross-entropies of beginning and end of the windows of a batch."""
        output = _outputs(model, batch)
        start = nn.functional.cross_entropy(_unpadded(output.start_logits, batch), batch["start"], reduction="sum")
        end = nn.functional.cross_entropy(_unpadded(output.end_logits, batch), batch["end"], reduction="sum")
        return (start + end) / 2

    def count(self, batch: Batch) -> int:
        return int(batch["first"].numel())

    def decode(self, model: nn.Module, batch: Batch) -> list[Spans]:
        """Find the best spans of each window."""
        output = _outputs(model, batch)
        tokens = torch.arange(output.start_logits.shape[1], device=output.start_logits.device)
        allowed = (tokens >= batch["first"][:, None]) & (tokens < batch["stop"][:, None])
        return best_spans(
            output.start_logits, output.end_logits, allowed, max_length=self.max_answer_length, number=self.n_best
        )

    def score(
        self, examples: Sequence[Question], features: Features, predictions: Sequence[Any], language: str
    ) -> Scores:
        """Compute exact match and F1."""
        windows: list[list[int]] = [[] for _ in examples]
        for index, row in enumerate(features.rows):
            windows[row["example"]].append(index)
        texts = [
            best_text(question, [features.rows[index] for index in own], [predictions[index] for index in own])
            for question, own in zip(examples, windows)
        ]
        answers = [question.answers for question in examples]
        metrics = answer_scores(texts, answers, NORMALIZATIONS[self.normalization], language)
        return Scores(metrics, len(examples))


def _outputs(model: nn.Module, batch: Batch) -> Any:
    return model(**{key: batch[key] for key in ("input_ids", "attention_mask", "token_type_ids") if key in batch})


def _unpadded(logits: Tensor, batch: Batch) -> Tensor:
    # Padding would take its share of the softmax, so that the loss depended on the longest row of the batch.
    return logits.float().masked_fill(batch["attention_mask"] == 0, -torch.inf)
