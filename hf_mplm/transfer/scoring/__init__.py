"""Test sets of a study and their scores.

Imports `transfer.modules`, the contract in `transfer.study`, and `evaluation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .scorer import Scorer
    from .test_sets import TargetSet, TargetSets, read_test_sets

__all__ = ["Scorer", "TargetSet", "TargetSets", "read_test_sets"]

_NAMES = {
    "scorer": [
        "Scorer",
    ],
    "test_sets": [
        "TargetSet",
        "TargetSets",
        "read_test_sets",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
