"""Masked language modelling, with LangSAMP's embeddings or without.

Imports `trainers.base`, `data` and `modeling`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .from_scratch import build_encoder
    from .starting import load_for_method
    from .trainer import MaskedLMTrainer, MaskedLMTrainingArguments

__all__ = [
    "MaskedLMTrainer",
    "MaskedLMTrainingArguments",
    "build_encoder",
    "load_for_method",
]

_NAMES = {
    "from_scratch": [
        "build_encoder",
    ],
    "starting": [
        "load_for_method",
    ],
    "trainer": [
        "MaskedLMTrainer",
        "MaskedLMTrainingArguments",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
