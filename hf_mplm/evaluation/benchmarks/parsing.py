"""Dependency parsing of Universal Dependencies."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.data.tokenizing.word_tokenizer import WordTokenizer

from ..context import Context
from ..files.hub_data import HubData
from ..files.layouts import DataError
from ..files.parsing_corpus import ParsedSentence, ParsingCorpus
from ..files.treebanks import HUB
from ..kinds.biaffine import BiaffineParser
from ..kinds.examples import Features, Scores
from ..kinds.finetuned import TransferTask
from ..kinds.finetuning import Batch, FineTuningSettings, Row
from ..kinds.trees import attachment_scores
from ..kinds.words import pad_words


__all__ = ["TASK", "ParsingTask"]

logger = logging.getLogger(__name__)


@dataclass
class ParsingTask(TransferTask[ParsedSentence]):
    """Dependency parsing in `ud/` by a biaffine head, scored by UAS and LAS with punctuation.

    A sentence is parsed whole: where it does not fit into the window, its longest words lose their last subwords. One
    with more words than the window has tokens is counted under `n_skipped`, by its words.

    Args:
        subtypes (`bool`, *optional*, defaults to `False`): Whether `nsubj:pass` is another relation than `nsubj`.
    """

    name: str = "parsing"
    hub_data: tuple[HubData, ...] = field(default=(HUB,), kw_only=True)
    subtypes: bool = False
    hub_type: str = field(default="token-classification", kw_only=True)
    selection_metric = "las"
    options = ("subtypes",)

    def corpus(self, data_dir: Path, train_file: str | None = None) -> ParsingCorpus:
        return ParsingCorpus(data_dir, self.subtypes)

    def make_model(self, context: Context) -> PreTrainedModel:
        return BiaffineParser(context.model.load(), len(self.corpus(context.data_dir).scheme))

    def features(
        self,
        examples: Sequence[ParsedSentence],
        tokenizer: PreTrainedTokenizerBase,
        settings: FineTuningSettings,
        *,
        train: bool,
    ) -> Features:
        """Tokenise each word by itself and put each sentence into one window."""
        words = WordTokenizer(tokenizer, settings.max_length)
        words.add([example.words for example in examples])
        rows, skipped = [], 0
        for index, example in enumerate(examples):
            window = words.whole(example.words)
            if window is None:
                skipped += len(example.words)
                continue
            rows.append(
                {
                    "input_ids": window.input_ids,
                    "positions": window.positions,
                    "heads": np.asarray(example.heads, dtype=np.int32),
                    "relations": np.asarray(example.relations, dtype=np.int32),
                    "example": index,
                }
            )
        if skipped:
            logger.warning(
                "%s: %d words stand in sentences of more than %d words, which the window does not hold; they are "
                "left out and counted. A larger max_length reads them",
                self.name,
                skipped,
                words.room,
            )
        return Features(rows, skipped)

    def collate(self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase) -> Batch:
        return pad_words(rows, tokenizer, ["heads", "relations"])

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum the cross-entropies of the heads of words, and of their relations to the right heads."""
        states = model(batch["input_ids"], batch["attention_mask"], batch["positions"])
        head: Any = getattr(model, "module", model).head
        present = batch["positions"] >= 0
        # The root and the words of the sentence itself may be heads, padding may not.
        allowed = nn.functional.pad(present, (1, 0), value=True)
        arcs = head.arcs(states).masked_fill(~allowed.unsqueeze(1), -torch.inf)
        relations = head.relations(states, batch["heads"].clamp(min=0))
        return nn.functional.cross_entropy(arcs[present], batch["heads"][present], reduction="sum") + (
            nn.functional.cross_entropy(relations[present], batch["relations"][present], reduction="sum")
        )

    def count(self, batch: Batch) -> int:
        return int((batch["positions"] >= 0).sum())

    def decode(self, model: nn.Module, batch: Batch) -> list[np.ndarray]:
        """Parse."""
        parser: Any = model
        trees: list[np.ndarray] = parser.parse(batch["input_ids"], batch["attention_mask"], batch["positions"])
        return trees

    def score(
        self, examples: Sequence[ParsedSentence], features: Features, predictions: Sequence[Any], language: str
    ) -> Scores:
        """Compute UAS and LAS."""
        if not features.rows:
            raise DataError(f"no sentence of {language} fits into the window; give a larger max_length")
        parsed = [examples[row["example"]] for row in features.rows]
        metrics = attachment_scores(
            [example.heads for example in parsed],
            [example.relations for example in parsed],
            [prediction[0].tolist() for prediction in predictions],
            [prediction[1].tolist() for prediction in predictions],
        )
        return Scores(metrics, sum(len(example.words) for example in parsed), features.n_skipped)


TASK = ParsingTask()
