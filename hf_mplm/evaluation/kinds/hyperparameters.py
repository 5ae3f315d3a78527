"""Hyper-parameters of fine-tuning, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from hf_mplm.recipes import load_recipe


__all__ = ["FineTuningSettings", "finetuning_settings", "with_seed"]

DEFAULT_RECIPE = "evaluate-langsamp"


@dataclass(frozen=True)
class FineTuningSettings:
    """Hyper-parameters of one fine-tuning. The papers' values stand in the recipes `evaluate-*`.

    Args:
        learning_rate (`float`): Peak learning rate of AdamW.
        num_train_epochs (`int`): Passes over the training set.
        batch_size (`int`): Rows of one forward pass.
        gradient_accumulation_steps (`int`, *optional*, defaults to 1): Forward passes of one update. 8 and 2 give the
            same gradients as 16 and 1.
        max_length (`int`, *optional*, defaults to 512): Longest input in tokens.
        lr_scheduler_type (`str`, *optional*, defaults to `"linear"`): Schedule over all updates.
        warmup_steps (`int`, *optional*, defaults to 0): Updates before the peak.
        weight_decay (`float`, *optional*, defaults to 0.0): Weight decay.
        adam_epsilon (`float`, *optional*, defaults to 1e-8): Epsilon of AdamW.
        max_grad_norm (`float`, *optional*, defaults to 1.0): Gradient clipping, 0 for none.
        eval_steps (`int`, *optional*): Updates between two looks at the dev set, by default one epoch.
        patience (`int`, *optional*): Looks without improvement after which training stops, by default none.
        doc_stride (`int`, *optional*, defaults to 128): Overlap of the windows of a long document, in tokens.
        bf16 (`bool`, *optional*, defaults to `False`): Whether to train in bfloat16 autocast.
        seed (`int`, *optional*, defaults to 42): Seed of the head, the batches and the dropout.
    """

    learning_rate: float
    num_train_epochs: int
    batch_size: int
    gradient_accumulation_steps: int = 1
    max_length: int = 512
    lr_scheduler_type: str = "linear"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    eval_steps: int | None = None
    patience: int | None = None
    doc_stride: int = 128
    bf16: bool = False
    seed: int = 42


def finetuning_settings(
    task: str,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    own: FineTuningSettings | None = None,
) -> FineTuningSettings:
    """Find the hyper-parameters of a task: those of LangSAMP's evaluation, replaced by what the user gave.

    Args:
        task (`str`): Name of the task.
        overrides (`Mapping[str, Mapping[str, Any]]`, *optional*): Task to hyper-parameters; those under `"all"` hold
            for every task.
        own (`FineTuningSettings`, *optional*): What the task's record says, in place of the recipe.

    Returns:
        `FineTuningSettings`: The settings.

    Raises:
        ValueError: If a hyper-parameter is not known.
    """
    values = asdict(own) if own is not None else dict(load_recipe(DEFAULT_RECIPE)["finetuning"].get(task, {}))
    for key in ("all", task):
        values.update((overrides or {}).get(key, {}))
    known = {field.name: field for field in fields(FineTuningSettings)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"fine-tuning of {task}: {', '.join(unknown)} is none of {', '.join(known)}")
    missing = [name for name in ("learning_rate", "num_train_epochs", "batch_size") if name not in values]
    if missing:
        raise ValueError(
            f"fine-tuning of {task} needs {', '.join(missing)}: no recipe names them. "
            "Give its record finetuning=FineTuningSettings(...)"
        )
    return FineTuningSettings(**values)


def with_seed(settings: FineTuningSettings, seed: int) -> FineTuningSettings:
    """Take the same settings with another seed.

    Args:
        settings (`FineTuningSettings`): The settings.
        seed (`int`): The seed.

    Returns:
        `FineTuningSettings`: A copy.
    """
    return replace(settings, seed=seed)
