"""Trainers: one module a method, over one small base."""

from __future__ import annotations

from .arguments import MplmTrainingArguments
from .base import MplmTrainer
from .checkpoints import find_last_checkpoint
from .guard import NonFiniteLossError
from .masked_lm import MaskedLMTrainer, MaskedLMTrainingArguments
from .script_alignment import ScriptAlignmentTrainer
from .script_alignment_arguments import ScriptAlignmentArguments


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
