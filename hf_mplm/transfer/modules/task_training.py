"""Training a task's module once, on the data of as many languages as there are, above a frozen base."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from hf_mplm._lists import as_list
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.evaluation.kinds.finetuned import TransferTask
from hf_mplm.evaluation.kinds.finetuning import FineTuningSettings, finetune
from hf_mplm.evaluation.loading import position_limit

from .adapted_encoder import AdaptedEncoder
from .heads import head_weights, task_labels
from .record import ModuleRecord
from .task_module import TaskModule


__all__ = ["TrainingData", "read_training_data", "train_task_module"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """Examples of a task by language.

    Args:
        train (`dict[str, list]`): to train on.
        dev (`dict[str, list]`): to choose the weights by; of some languages there may be none.
        skipped (`dict[str, str]`): languages that were named and have no training data, and why.
    """

    train: Mapping[str, Sequence[Any]]
    dev: Mapping[str, Sequence[Any]]
    skipped: Mapping[str, str]


def read_training_data(
    task: TransferTask[Any],
    data_dir: Path,
    languages: Sequence[str] | None = None,
    *,
    max_examples: int = 1000,
    max_dev_examples: int = 100,
    seed: int = 42,
) -> TrainingData:
    """Read the training data of a task.

    Args:
        task (`TransferTask`): the task.
        data_dir (`Path`): the folder with one folder a benchmark.
        languages (`Sequence[str]`, *optional*): codes; by default all of which there are data.
        max_examples (`int`, *optional*, defaults to 1000): most examples of a language (appendix C.2), drawn from all.
        max_dev_examples (`int`, *optional*, defaults to 100): the same of a dev set.
        seed (`int`, *optional*, defaults to 42): of the draw.

    Returns:
        `TrainingData`: the examples.

    Raises:
        MissingDataError: if no language has training data.
        DataError: if a file does not hold what its format promises.
    """
    corpus = task.corpus(data_dir)
    train: dict[str, Sequence[Any]] = {}
    dev: dict[str, Sequence[Any]] = {}
    skipped: dict[str, str] = {}

    def some(examples: Sequence[Any], most: int, code: str) -> Sequence[Any]:
        if len(examples) <= most:
            return examples
        # In their order, so that the draw alone differs.
        chosen = random.Random(f"{seed} {code}").sample(range(len(examples)), most)
        return [examples[index] for index in sorted(chosen)]

    for code in as_list(languages) if languages is not None else task.languages(data_dir):
        try:
            train[code] = some(corpus.examples(code, "train"), max_examples, code)
        except MissingDataError as error:
            skipped[code] = str(error)
            continue
        try:
            dev[code] = some(corpus.examples(code, "dev"), max_dev_examples, code)
        except MissingDataError:
            logger.info("%s: %s has no dev set, so that it does not choose the weights", task.name, code)
    if not train:
        why = "; ".join(list(skipped.values())[:3])
        raise MissingDataError(f"{data_dir} has no training data of {task.name}{': ' if why else ''}{why}")
    return TrainingData(train, dev, skipped)


def train_task_module(
    task: TransferTask[Any],
    encoder: AdaptedEncoder,
    tokenizer: PreTrainedTokenizerBase,
    data: TrainingData,
    data_dir: Path,
    settings: FineTuningSettings,
    *,
    size: int,
    base: str,
    base_model: str,
    progress: bool = False,
) -> TaskModule:
    """Train a module; the encoder's own weights stay as they are.

    Args:
        task (`TransferTask`): the task.
        encoder (`AdaptedEncoder`): the base's encoder.
        tokenizer (`PreTrainedTokenizerBase`): its tokenizer.
        data (`TrainingData`): what to train on.
        data_dir (`Path`): the folder with one folder a benchmark.
        settings (`FineTuningSettings`): hyper-parameters, with the seed of head, layers, batches and dropout.
        size (`int`): reduction factor of a bottleneck, or rank of a low-rank update.
        base (`str`): digest of the base's weights.
        base_model (`str`): what the base is called.
        progress (`bool`, *optional*, defaults to `False`): whether to show a progress bar.

    Returns:
        `TaskModule`: attached, with the weights that did best on the mean of the dev sets.
    """
    settings = replace(settings, max_length=min(settings.max_length, position_limit(encoder.encoder, tokenizer)))
    record = ModuleRecord(
        kind="task",
        name=task.name,
        backend=encoder.backend,
        size=size,
        base=base,
        base_model=base_model,
        hidden_size=int(encoder.encoder.config.hidden_size),
        labels=task_labels(task, data_dir),
        languages={code: len(examples) for code, examples in data.train.items()},
        settings=asdict(settings),
    )
    set_seed(settings.seed)
    module = TaskModule.new(task, record, tokenizer, data_dir, encoder)
    rows = [
        row
        for examples in data.train.values()
        for row in task.features(examples, tokenizer, settings, train=True).rows
    ]
    dev = {code: (examples, module.features(examples)) for code, examples in data.dev.items()}

    def score(_: PreTrainedModel) -> dict[str, float]:
        found = [dict(module.score(examples, features, code).metrics) for code, (examples, features) in dev.items()]
        return {name: sum(metrics[name] for metrics in found) / len(found) for name in found[0]}

    with module.active():
        encoder.train(module.name)
        for weight in head_parameters(module.model):
            weight.requires_grad_(True)
        outcome = finetune(
            module.model,
            rows,
            settings,
            collate=lambda batch: task.collate(batch, tokenizer),
            loss=task.loss,
            count=task.count,
            score=score if dev else None,
            metric=task.selection_metric,
            description=f"{task.name} module",
            progress=progress,
        )
        metrics = score(module.model) if dev else {}
    module.model.requires_grad_(False)
    logger.info("%s: %d steps, dev %s", task.name, outcome["steps"], metrics)
    module.record = replace(record, metrics=metrics)
    return module


def head_parameters(model: PreTrainedModel) -> list[Any]:
    """The weights of a task's model that are not its encoder's."""
    names = set(head_weights(model))
    return [weight for key, weight in model.named_parameters() if key in names]
