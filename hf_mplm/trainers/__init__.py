"""Trainers: one module a method, over one small base."""

from __future__ import annotations

from .base.arguments import MplmTrainingArguments
from .base.checkpoints import find_last_checkpoint
from .base.guard import NonFiniteLossError
from .base.trainer import MplmTrainer
from .masked_lm.trainer import MaskedLMTrainer, MaskedLMTrainingArguments
from .script_alignment.arguments import ScriptAlignmentArguments
from .script_alignment.trainer import ScriptAlignmentTrainer


__all__ = [
    "MaskedLMTrainer",
    "MaskedLMTrainingArguments",
    "MplmTrainer",
    "MplmTrainingArguments",
    "NonFiniteLossError",
    "ScriptAlignmentArguments",
    "ScriptAlignmentTrainer",
    "find_last_checkpoint",
]
