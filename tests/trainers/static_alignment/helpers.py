"""What the tests of static alignment share: real words with random vectors, and trainers that finish in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from hf_mplm.data.word_vectors import WordVectors
from hf_mplm.trainers.static_alignment.arguments import StaticAlignmentArguments
from hf_mplm.trainers.static_alignment.trainer import StaticAlignmentTrainer
from tests.fixtures import HIDDEN_SIZE, corpus_lines
from tests.trainers.helpers import make_rows


def make_words(dimension: int = HIDDEN_SIZE, *, seed: int = 0, limit: int = 120) -> WordVectors:
    """The words of the small corpus in three languages of unequal numbers of words, with vectors of unequal length."""
    generator = np.random.default_rng(seed)
    tables = {}
    for place, code in enumerate(("deu_Latn", "ell_Grek", "srp_Cyrl")):
        words = sorted({word for _, line in corpus_lines(code) for word in line.split()})[: limit // (place + 1)]
        tables[code] = (words, generator.normal(size=(len(words), dimension)) + 0.3)
    return WordVectors.from_languages(tables)


def make_static_trainer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    output_dir: str | Path,
    words: WordVectors | None = None,
    rows: Dataset | None = None,
    **settings: Any,
) -> StaticAlignmentTrainer:
    """A trainer of `model` on random rows and on `words` (those of [`make_words`] by default)."""
    keywords = {key: settings.pop(key) for key in ("callbacks", "eval_dataset") if key in settings}
    defaults: dict[str, Any] = {
        "max_steps": 2,
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 4,
        "words_per_step": 64,
        "components": 8,
        "subspace_batch": 32,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": 7,
        "mask_rate": "0.3",
        "max_grad_norm": 0.0,
    }
    return StaticAlignmentTrainer(
        model,
        StaticAlignmentArguments(output_dir=str(output_dir), **{**defaults, **settings}),
        words=make_words() if words is None else words,
        train_dataset=make_rows(tokenizer) if rows is None else rows,
        processing_class=tokenizer,
        **keywords,
    )
