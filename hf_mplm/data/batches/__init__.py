"""From rows to batches: which rows are drawn, what is masked, how rows are put together. Functions of (seed, draw).

Imports nothing of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .collators import DataCollatorForMaskedLM
    from .columns import language_labels, row_lengths
    from .held_out import HeldOutDataset
    from .masking import MaskedTokens, mask_tokens
    from .sampling import LanguageSampler, SampledDataset
    from .schedules import Schedule
    from .transliteration_collator import DataCollatorForTransliteration

__all__ = [
    "DataCollatorForMaskedLM",
    "DataCollatorForTransliteration",
    "HeldOutDataset",
    "LanguageSampler",
    "MaskedTokens",
    "SampledDataset",
    "Schedule",
    "language_labels",
    "mask_tokens",
    "row_lengths",
]

_NAMES = {
    "collators": [
        "DataCollatorForMaskedLM",
    ],
    "columns": [
        "language_labels",
        "row_lengths",
    ],
    "held_out": [
        "HeldOutDataset",
    ],
    "masking": [
        "MaskedTokens",
        "mask_tokens",
    ],
    "sampling": [
        "LanguageSampler",
        "SampledDataset",
    ],
    "schedules": [
        "Schedule",
    ],
    "transliteration_collator": [
        "DataCollatorForTransliteration",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
