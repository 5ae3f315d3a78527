"""Languages that help and hinder one another: language adapters, and combinations of them under task modules.

Imports `transfer.modules`, `transfer.tuning` and `data`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .combinations import (
        combined_adapters,
        find_language_adapters,
        language_combinations,
        seed_fusion,
        train_fusion,
    )
    from .language_adapters import LanguageAdapterSettings, language_module, train_language_adapter

__all__ = [
    "LanguageAdapterSettings",
    "combined_adapters",
    "find_language_adapters",
    "language_combinations",
    "language_module",
    "seed_fusion",
    "train_fusion",
    "train_language_adapter",
]

_NAMES = {
    "combinations": [
        "combined_adapters",
        "find_language_adapters",
        "language_combinations",
        "seed_fusion",
        "train_fusion",
    ],
    "language_adapters": [
        "LanguageAdapterSettings",
        "language_module",
        "train_language_adapter",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
