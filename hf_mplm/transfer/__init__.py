"""Who helps whom: donors of a language, and the scores of the transfer study.

May import `languages`, `jobs`, `data`, `modeling`, `losses`, `trainers` and `evaluation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .donors import Donor, measured_transfer, rank_donors
    from .transfer_metrics import interference_projection, interference_signs, transfer_scores

__all__ = [
    "Donor",
    "interference_projection",
    "interference_signs",
    "measured_transfer",
    "rank_donors",
    "transfer_scores",
]

_NAMES = {
    "donors": [
        "Donor",
        "measured_transfer",
        "rank_donors",
    ],
    "transfer_metrics": [
        "interference_projection",
        "interference_signs",
        "transfer_scores",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
