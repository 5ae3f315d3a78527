"""Alignment of an encoder with static word vectors that are aligned across languages (X2S-MA).

Imports `trainers.masked_lm`, `losses`, `data` and `modeling`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .arguments import StaticAlignmentArguments
    from .trainer import StaticAlignmentTrainer

__all__ = [
    "StaticAlignmentArguments",
    "StaticAlignmentTrainer",
]

_NAMES = {
    "arguments": [
        "StaticAlignmentArguments",
    ],
    "trainer": [
        "StaticAlignmentTrainer",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
