"""Cards: what a repository says of itself, drawn from what lies in a folder, one module a kind.

Imports the rest of `hub`, and what that may import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .adding import add_results_to_card
    from .checkpoint import write_model_card
    from .rendering import is_own_card, read_card

__all__ = ["add_results_to_card", "is_own_card", "read_card", "write_model_card"]

_NAMES = {
    "adding": [
        "add_results_to_card",
    ],
    "checkpoint": [
        "write_model_card",
    ],
    "rendering": [
        "is_own_card",
        "read_card",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
