"""The machine under every trainer: draws, exact accumulation, whole-or-absent checkpoints, held-out loss, meters.

Imports `data` and `modeling`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .arguments import MplmTrainingArguments
    from .checkpoints import find_last_checkpoint
    from .guard import NonFiniteLossError
    from .trainer import MplmTrainer

__all__ = [
    "MplmTrainer",
    "MplmTrainingArguments",
    "NonFiniteLossError",
    "find_last_checkpoint",
]

_NAMES = {
    "arguments": [
        "MplmTrainingArguments",
    ],
    "checkpoints": [
        "find_last_checkpoint",
    ],
    "guard": [
        "NonFiniteLossError",
    ],
    "trainer": [
        "MplmTrainer",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
