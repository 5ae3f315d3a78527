"""Tagging: one label a word, by a head over its first subword."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification, PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.data.tokenizing.word_tokenizer import WordTokenizer

from ..context import Context
from ..files.corpus import MissingDataError
from ..files.folder_corpus import FolderCorpus
from ..files.layouts import DataError, read_lines
from ..files.tagged import TaggedSentence, read_tagged_files, read_words
from .examples import Features
from .finetuned import TransferTask
from .finetuning import Batch, FineTuningSettings, Row
from .words import gather_words, pad_words


__all__ = ["TaggedCorpus", "TaggingTask", "named"]

logger = logging.getLogger(__name__)

# A file in the folder of a benchmark that names its labels, where they are not the usual ones.
LABELS_FILE = "labels.txt"


class TaggedCorpus(FolderCorpus[TaggedSentence]):
    """Files of words and labels: `CODE/test.txt`, `test-CODE.tsv` and the like, or the same as Parquet.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
        task (`str`): Name of the task, which is that of its folder.
        labels (`Sequence[str]`): The labels, unless the folder has a `labels.txt` with one label a line.
    """

    def __init__(self, data_dir: Path, task: str, labels: Sequence[str]) -> None:
        super().__init__(data_dir / task, beside=[data_dir / task / LABELS_FILE])
        self.task = task
        self.labels = list(labels)
        path = self.folder / LABELS_FILE
        if path.is_file():
            self.labels = [label.strip() for label in read_lines(path) if label.strip()]
            if not self.labels or len(set(self.labels)) < len(self.labels):
                raise DataError(f"{path} needs one label a line, each of them once")

    def examples(self, language: str, split: str) -> list[TaggedSentence]:
        paths = self.paths(language, split)
        if not paths:
            raise MissingDataError(
                f"{self.task} has no {split} sentences of {language}: no {self.folder / language}/{split}.txt"
            )
        return read_tagged_files(paths, self.labels)

    def _text(self, path: Path) -> str:
        return read_words(path)


@dataclass
class TaggingTask(TransferTask[TaggedSentence]):
    """A task with one label a word. Subclasses name the labels and the metrics.

    The first subword of a word is labelled and predicted. A sentence that is longer than the window is cut between
    words, and its predictions are joined again before they are scored: each word is scored exactly once.
    """

    hub_type: str = field(default="token-classification", kw_only=True)

    @abstractmethod
    def corpus(self, data_dir: Path, train_file: str | None = None) -> TaggedCorpus:
        """Open the benchmark."""

    def make_model(self, context: Context) -> PreTrainedModel:
        return context.model.load(AutoModelForTokenClassification, self.corpus(context.data_dir).labels)

    def features(
        self,
        examples: Sequence[TaggedSentence],
        tokenizer: PreTrainedTokenizerBase,
        settings: FineTuningSettings,
        *,
        train: bool,
    ) -> Features:
        """Tokenise each word by itself and cut sentences into windows."""
        words = WordTokenizer(tokenizer, settings.max_length)
        words.add([example.words for example in examples])
        rows = [
            {
                "input_ids": window.input_ids,
                "positions": window.positions,
                "labels": np.asarray(example.labels[window.start : window.stop], dtype=np.int32),
                "example": index,
            }
            for index, example in enumerate(examples)
            for window in words.windows(example.words)
        ]
        if words.n_empty:
            logger.info("%d different words have no subwords and are read as the unknown token", words.n_empty)
        return Features(rows)

    def collate(self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase) -> Batch:
        return pad_words(rows, tokenizer, ["labels"])

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum the cross-entropies of the words of a batch."""
        logits = _word_logits(model, batch).float()
        return nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), reduction="sum")

    def count(self, batch: Batch) -> int:
        return int((batch["positions"] >= 0).sum())

    def decode(self, model: nn.Module, batch: Batch) -> list[np.ndarray]:
        """Predict the likeliest label of each word."""
        predicted = _word_logits(model, batch).argmax(-1).to(torch.int16).cpu().numpy()
        lengths = (batch["positions"] >= 0).sum(1).tolist()
        return [row[:length] for row, length in zip(predicted, lengths)]

    @staticmethod
    def join(examples: Sequence[TaggedSentence], features: Features, predictions: Sequence[Any]) -> list[list[int]]:
        """Put the predictions of the windows of each sentence together again.

        Args:
            examples (`Sequence[TaggedSentence]`): The sentences.
            features (`Features`): Their rows.
            predictions (`Sequence[np.ndarray]`): One array a row.

        Returns:
            `list[list[int]]`: One list a sentence, with one label a word.
        """
        joined: list[list[int]] = [[] for _ in examples]
        for row, prediction in zip(features.rows, predictions):
            joined[row["example"]].extend(prediction.tolist())
        return joined


def named(labels: Sequence[int], example: TaggedSentence) -> list[str]:
    """Name the labels of a sentence.

    Args:
        labels (`Sequence[int]`): Its right or predicted labels.
        example (`TaggedSentence`): The sentence, which knows the labels of its task.

    Returns:
        `list[str]`: Their names.
    """
    return [example.scheme[label] for label in labels]


def _word_logits(model: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return gather_words(logits, batch["positions"])
