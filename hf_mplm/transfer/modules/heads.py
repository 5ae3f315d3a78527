"""Heads of tasks over an encoder that is there already, as the tasks of the evaluation suite make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from hf_mplm.evaluation.context import Context
from hf_mplm.evaluation.kinds.finetuned import TransferTask
from hf_mplm.evaluation.measured import MeasuredModel
from hf_mplm.evaluation.results import NOT_APPLICABLE


__all__ = ["head_weights", "make_task_model", "task_labels"]


@dataclass
class _GivenEncoder(MeasuredModel):
    """A model whose heads are put on one encoder that is in memory, instead of on a checkpoint that is read again."""

    given: PreTrainedModel | None = None

    def load(self, auto_class: Any = AutoModel, labels: Sequence[str] | None = None) -> PreTrainedModel:
        encoder = self.given
        assert encoder is not None
        if auto_class is AutoModel:
            return encoder
        config = type(encoder.config).from_dict(encoder.config.to_dict())
        if labels is not None:
            config.id2label = dict(enumerate(labels))
            config.label2id = {label: index for index, label in enumerate(labels)}
        # The encoder of this model is never filled: the one that is there takes its place.
        with torch.device("meta"):
            model: PreTrainedModel = auto_class.from_config(config, trust_remote_code=False)
        setattr(model, model.base_model_prefix, encoder)
        own = [
            module
            for name, module in model.named_modules()
            if name != model.base_model_prefix and not name.startswith(f"{model.base_model_prefix}.")
        ]
        for module in own:
            if _has_own_meta(module):
                module.to_empty(device=encoder.device, recurse=False)
                if isinstance(module, nn.LayerNorm):
                    module.reset_parameters()
        # Of all, for ModernBERT of transformers 4.57 draws a layer where it draws the module around it.
        for module in own:
            model._init_weights(module)
        model.config._name_or_path = encoder.config._name_or_path
        return model.eval()


def _has_own_meta(module: nn.Module) -> bool:
    return any(weight.is_meta for weight in module.parameters(recurse=False))


def make_task_model(task: TransferTask[Any], encoder: PreTrainedModel, data_dir: Path) -> PreTrainedModel:
    """Put a new head of a task on an encoder; it is drawn from the random state.

    Args:
        task (`TransferTask`): the task.
        encoder (`PreTrainedModel`): the encoder, which becomes a part of the model.
        data_dir (`Path`): the folder with one folder a benchmark, which may name the labels.

    Returns:
        `PreTrainedModel`: what the task's `loss` and `decode` take.
    """
    name = str(encoder.config.name_or_path)

    def refuse() -> Any:
        raise TypeError("a module's encoder is not pooled")

    model = task.make_model(Context(_GivenEncoder(name, "", NOT_APPLICABLE, refuse, given=encoder), data_dir))
    return model.to(encoder.device)  # type: ignore[arg-type]


def head_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights of a task's model that are not its encoder's, by their names."""
    prefix = f"{model.base_model_prefix}."
    return {key: weight for key, weight in model.state_dict().items() if not key.startswith(prefix)}


def task_labels(task: TransferTask[Any], data_dir: Path) -> list[str]:
    """The names of a head's outputs, in order; empty where they have none, as for spans of text."""
    corpus = task.corpus(data_dir)
    for holder, name in ((task, "labels"), (corpus, "labels"), (corpus, "scheme")):
        if (labels := getattr(holder, name, None)) is not None:
            return [str(label) for label in labels]
    return []
