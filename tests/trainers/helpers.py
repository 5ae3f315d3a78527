"""What the tests of trainers share: rows of random tokens in three languages, and trainers that finish in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset, Features, Value
from datasets import Sequence as ListOf
from transformers import PreTrainedTokenizerBase

from hf_mplm.trainers import MaskedLMTrainer, MaskedLMTrainingArguments


CODES = ["deu_Latn", "ell_Grek", "srp_Cyrl"]


def make_rows(tokenizer: PreTrainedTokenizerBase, count: int = 60, *, seed: int = 0, longest: int = 24) -> Dataset:
    """Rows of random ordinary tokens, of unequal lengths, so that batches hold unequal numbers of masked tokens."""
    generator = np.random.default_rng(seed)
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
    rows = {"input_ids": [], "language": []}
    for index in range(count):
        tokens = generator.choice(ordinary, size=int(generator.integers(2, longest)))
        rows["input_ids"].append([tokenizer.bos_token_id, *tokens.tolist(), tokenizer.eos_token_id])
        # Sizes of about 6 : 3 : 1.
        rows["language"].append(int(np.searchsorted([0.6, 0.9], index / count, side="right")))
    features = Features({"input_ids": ListOf(Value("int32")), "language": ClassLabel(names=CODES)})
    return Dataset.from_dict(rows, features=features)


def make_args(output_dir: str | Path, **settings: Any) -> MaskedLMTrainingArguments:
    """Arguments for a handful of steps on the CPU."""
    defaults = {
        "max_steps": 4,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "save_strategy": "no",
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": 7,
        "mask_rate": "0.3",
    }
    return MaskedLMTrainingArguments(output_dir=str(output_dir), **{**defaults, **settings})


def make_trainer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    output_dir: str | Path,
    *,
    rows: Dataset | None = None,
    **settings: Any,
) -> MaskedLMTrainer:
    """A trainer of `model` on `rows` (random ones by default), with twelve rows held out."""
    keywords = {key: settings.pop(key) for key in ("callbacks", "optimizers", "eval_dataset") if key in settings}
    keywords.setdefault("eval_dataset", make_rows(tokenizer, 12, seed=1))
    return MaskedLMTrainer(
        model=model,
        args=make_args(output_dir, **settings),
        train_dataset=make_rows(tokenizer) if rows is None else rows,
        processing_class=tokenizer,
        **keywords,
    )


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the parameters."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Largest difference of two sets of tensors of the same names."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)
