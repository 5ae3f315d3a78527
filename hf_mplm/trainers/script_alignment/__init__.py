"""Transliteration-based script alignment (PPA, TransliCo).

Imports `trainers.masked_lm`, `losses`, `data` and `modeling`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .arguments import ScriptAlignmentArguments
    from .romanized_vocabulary import extend_for_romanized
    from .trainer import ScriptAlignmentTrainer

__all__ = [
    "ScriptAlignmentArguments",
    "ScriptAlignmentTrainer",
    "extend_for_romanized",
]

_NAMES = {
    "arguments": [
        "ScriptAlignmentArguments",
    ],
    "romanized_vocabulary": [
        "extend_for_romanized",
    ],
    "trainer": [
        "ScriptAlignmentTrainer",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
