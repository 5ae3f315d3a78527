"""What the tests of script alignment share: sentence pairs of random tokens, and trainers that finish in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value
from datasets import Sequence as ListOf
from transformers import PreTrainedTokenizerBase

from hf_mplm.trainers.script_alignment.arguments import ScriptAlignmentArguments
from hf_mplm.trainers.script_alignment.trainer import ScriptAlignmentTrainer
from tests.trainers.helpers import CODES


def make_pairs(tokenizer: PreTrainedTokenizerBase, count: int = 48, *, seed: int = 0, longest: int = 20) -> Dataset:
    """Pairs of random ordinary tokens, of unequal lengths, in three languages."""
    generator = np.random.default_rng(seed)
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
    rows: dict[str, list] = {"input_ids": [], "romanized_input_ids": [], "language": []}
    for index in range(count):
        for key in ("input_ids", "romanized_input_ids"):
            tokens = generator.choice(ordinary, size=int(generator.integers(3, longest)))
            rows[key].append([tokenizer.bos_token_id, *tokens.tolist(), tokenizer.eos_token_id])
        rows["language"].append(int(np.searchsorted([0.6, 0.9], index / count, side="right")))
    ids = ListOf(Value("int32"))
    features = Features({"input_ids": ids, "romanized_input_ids": ids, "language": ClassLabel(names=CODES)})
    return Dataset.from_dict(rows, features=features)


def make_alignment_trainer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    output_dir: str | Path,
    rows: Dataset | None = None,
    **settings: Any,
) -> ScriptAlignmentTrainer:
    """A trainer of `model` on `rows` (random ones by default)."""
    keywords = {key: settings.pop(key) for key in ("callbacks", "eval_dataset", "optimizers") if key in settings}
    defaults: dict[str, Any] = {
        "max_steps": 2,
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 4,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": 7,
        "mask_rate": "0.3",
        "max_grad_norm": 0.0,
    }
    return ScriptAlignmentTrainer(
        model,
        ScriptAlignmentArguments(output_dir=str(output_dir), **{**defaults, **settings}),
        train_dataset=make_pairs(tokenizer) if rows is None else rows,
        processing_class=tokenizer,
        **keywords,
    )
