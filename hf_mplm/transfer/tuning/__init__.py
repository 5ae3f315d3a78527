"""Tuning a base for a few steps, and giving it back: its weights, batches of masked text, the steps.

Imports `data`, `evaluation`, `modeling` and `trainers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .base import Base, BaseChangedError
    from .batches import MaskedBatches
    from .few_steps import DivergedError, make_optimizer, masked_lm_steps, tune
    from .seeds import seed_of

__all__ = [
    "Base",
    "BaseChangedError",
    "DivergedError",
    "MaskedBatches",
    "make_optimizer",
    "masked_lm_steps",
    "seed_of",
    "tune",
]

_NAMES = {
    "base": [
        "Base",
        "BaseChangedError",
    ],
    "batches": [
        "MaskedBatches",
    ],
    "few_steps": [
        "DivergedError",
        "make_optimizer",
        "masked_lm_steps",
        "tune",
    ],
    "seeds": [
        "seed_of",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
