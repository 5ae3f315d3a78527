"""Trainers: a folder a method (`masked_lm`, `script_alignment`, `static_alignment`), over one small `base`.

May import `languages`, `jobs`, `data`, `modeling` and `losses`, and `hub.cards` for the card at the end of a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from . import base as base
    from . import masked_lm as masked_lm
    from . import script_alignment as script_alignment
    from . import static_alignment as static_alignment
    from .base.arguments import MplmTrainingArguments
    from .base.checkpoints import find_last_checkpoint
    from .base.guard import NonFiniteLossError
    from .base.trainer import MplmTrainer
    from .masked_lm.from_scratch import build_encoder
    from .masked_lm.starting import load_for_method
    from .masked_lm.trainer import MaskedLMTrainer, MaskedLMTrainingArguments
    from .script_alignment.arguments import ScriptAlignmentArguments
    from .script_alignment.romanized_vocabulary import extend_for_romanized
    from .script_alignment.trainer import ScriptAlignmentTrainer
    from .static_alignment.arguments import StaticAlignmentArguments
    from .static_alignment.trainer import StaticAlignmentTrainer

__all__ = [
    "MaskedLMTrainer",
    "MaskedLMTrainingArguments",
    "MplmTrainer",
    "MplmTrainingArguments",
    "NonFiniteLossError",
    "ScriptAlignmentArguments",
    "ScriptAlignmentTrainer",
    "StaticAlignmentArguments",
    "StaticAlignmentTrainer",
    "build_encoder",
    "extend_for_romanized",
    "find_last_checkpoint",
    "load_for_method",
]

_NAMES = {
    "base.arguments": [
        "MplmTrainingArguments",
    ],
    "base.checkpoints": [
        "find_last_checkpoint",
    ],
    "base.guard": [
        "NonFiniteLossError",
    ],
    "base.trainer": [
        "MplmTrainer",
    ],
    "masked_lm.from_scratch": [
        "build_encoder",
    ],
    "masked_lm.starting": [
        "load_for_method",
    ],
    "masked_lm.trainer": [
        "MaskedLMTrainer",
        "MaskedLMTrainingArguments",
    ],
    "script_alignment.arguments": [
        "ScriptAlignmentArguments",
    ],
    "script_alignment.romanized_vocabulary": [
        "extend_for_romanized",
    ],
    "script_alignment.trainer": [
        "ScriptAlignmentTrainer",
    ],
    "static_alignment.arguments": [
        "StaticAlignmentArguments",
    ],
    "static_alignment.trainer": [
        "StaticAlignmentTrainer",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
