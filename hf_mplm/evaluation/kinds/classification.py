from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm._lists import as_list

from ..context import Context
from ..encoder import encode_in
from ..files.corpus import Corpus, MissingDataError
from ..files.layouts import DataError, Record
from ..metrics.classification import accuracy, macro_f1
from ..results import ResultRow
from ..task import Cell, training_free_cell
from .examples import Features, Scores
from .finetuned import TransferTask
from .finetuning import Batch, FineTuningSettings, Row, pad_rows
from .probe import LinearProbe
from .transfer_settings import PROBE


__all__ = ["ClassificationTask", "LabelledText", "label_index"]

METRICS = {"macro_f1": macro_f1, "accuracy": accuracy}


class LabelledText(NamedTuple):
    """One item of a classification task.

    Args:
        text (`str`): The text, or the first of two.
        label (`int`): Position of its label in the task's labels.
        pair (`str`, *optional*): The second text.
    """

    text: str
    label: int
    pair: str | None = None


def label_index(record: Record, column: str, labels: Sequence[str]) -> int:
    """Find the position of an item's label.

    Args:
        record (`Record`): The item.
        column (`str`): The column that holds the label.
        labels (`Sequence[str]`): The labels of the task.

    Returns:
        `int`: The position.

    Raises:
        DataError: If the label is not one of them, naming file and line.
    """
    label = str(record.values[column])
    if label not in labels:
        raise DataError(f"{record.place} has the label {label[:40]!r}, which is none of {', '.join(labels)}")
    return list(labels).index(label)


@dataclass
class ClassificationTask(TransferTask[LabelledText]):
    """Classification of a text or of a pair of texts, by a head over the first token.

    Args:
        name (`str`): Name of the task.
        labels (`Sequence[str]`): The labels, in the order of the head's outputs.
        open_corpus (`Callable[[Path], Corpus]`): Opens the benchmark under a data folder.
        metrics (`Sequence[str]`): Of `"macro_f1"` and `"accuracy"`; the first chooses on the dev set.
    """

    labels: Sequence[str]
    open_corpus: Callable[[Path], Corpus[LabelledText]]
    metrics: Sequence[str]
    hub_type: str = field(default="text-classification", kw_only=True)

    def __post_init__(self) -> None:
        self.labels, self.metrics = as_list(self.labels, keep_spaces=True), as_list(self.metrics)
        self.selection_metric = self.metrics[0]

    def corpus(self, data_dir: Path, train_file: str | None = None) -> Corpus[LabelledText]:
        return self.open_corpus(data_dir)

    def make_model(self, context: Context) -> PreTrainedModel:
        return context.model.load(AutoModelForSequenceClassification, self.labels)

    def features(
        self,
        examples: Sequence[LabelledText],
        tokenizer: PreTrainedTokenizerBase,
        settings: FineTuningSettings,
        *,
        train: bool,
    ) -> Features:
        """Tokenise texts, or pairs as one sequence, without padding."""
        pairs = [example.pair for example in examples]
        encoded = tokenizer(
            [example.text for example in examples],
            None if pairs[0] is None else pairs,
            truncation=True,
            max_length=settings.max_length,
            padding=False,
        )
        keys = [key for key in ("input_ids", "token_type_ids") if key in encoded]
        rows = [
            {**{key: encoded[key][index] for key in keys}, "labels": example.label}
            for index, example in enumerate(examples)
        ]
        return Features(rows)

    def collate(self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase) -> Batch:
        batch = pad_rows(rows, tokenizer, ["input_ids", "token_type_ids"])
        batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum the cross-entropies of a batch."""
        return nn.functional.cross_entropy(_logits(model, batch).float(), batch["labels"], reduction="sum")

    def count(self, batch: Batch) -> int:
        return int(batch["labels"].numel())

    def decode(self, model: nn.Module, batch: Batch) -> list[int]:
        """Predict the likeliest label of each text."""
        predicted: list[int] = _logits(model, batch).argmax(-1).tolist()
        return predicted

    def score(
        self, examples: Sequence[LabelledText], features: Features, predictions: Sequence[Any], language: str
    ) -> Scores:
        """Compute the metrics of the task."""
        gold = [example.label for example in examples]
        return Scores({name: METRICS[name](gold, predictions) for name in self.metrics}, len(gold))

    def cells(self, context: Context, languages: Sequence[str]) -> list[Cell]:
        """List what there is to compute, probes behind what is fine-tuned."""
        cells = super().cells(context, languages)
        if PROBE in context.settings.transfer.settings:
            for source in context.source_languages:
                cells += [
                    training_free_cell(self.name, language, setting=PROBE, layer=context.layer, source=source)
                    for language in languages
                ]
        return cells

    def cell_settings(self, context: Context, cell: Cell) -> dict[str, Any]:
        """Tell which settings a score depends on that are no part of its row: of a probe, how texts become vectors."""
        if cell.setting == PROBE:
            return {"encoding": dict(context.model.encoding)}
        return super().cell_settings(context, cell)

    def evaluate(self, context: Context, languages: Sequence[str]) -> Iterator[list[ResultRow]]:
        """Fine-tune and score, or fit a linear probe on the frozen encoder where the setting is `"probe"`."""
        yield from super().evaluate(context, languages)
        probes = [cell for cell in self.cells(context, languages) if cell.setting == PROBE]
        for source in context.source_languages:
            cells = [cell for cell in probes if cell.source_language == source and cell not in context.finished]
            if cells:
                yield from self._probe(context, source, cells)

    def _probe(self, context: Context, source: str, cells: Sequence[Cell]) -> Iterator[list[ResultRow]]:
        corpus = self.joint_corpus(context.data_dir)
        train, dev = corpus.examples(source, "train"), corpus.examples(source, "dev")
        probe = LinearProbe.fit(
            self._vectors(context, train, source),
            [example.label for example in train],
            self._vectors(context, dev, source),
            [example.label for example in dev],
            num_labels=len(self.labels),
            metric=METRICS[self.selection_metric],
        )
        for cell in cells:
            try:
                test = corpus.examples(cell.language, "test")
            except MissingDataError as error:
                context.skip(self.name, cell.language, error)
                continue
            predicted = probe.predict(self._vectors(context, test, cell.language)).tolist()
            scores = self.score(test, Features([]), predicted, cell.language)
            yield context.rows(cell, scores.metrics, n=scores.n)

    def _vectors(self, context: Context, examples: Sequence[LabelledText], language: str) -> np.ndarray:
        first = encode_in(context.encoder, [example.text for example in examples], language)
        if examples[0].pair is None:
            return first
        # A linear probe of two vectors side by side cannot compare them; their distance and product can be weighed.
        second = encode_in(context.encoder, [example.pair or "" for example in examples], language)
        return np.concatenate([first, second, np.abs(first - second), first * second], axis=1)


def _logits(model: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = model(**{key: value for key, value in batch.items() if key != "labels"}).logits
    return logits
