"""Collections: one model a sprachbund, how they are trained, how a language finds its own, and how they are measured.

Imports `sprachbund.vectors` and `sprachbund.clusters`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .arms import choose_arm
    from .collection import Collection, collection_files
    from .evaluation import evaluate_collection
    from .members import Member, plan_members
    from .router import Route, SprachbundRouter

__all__ = [
    "Collection",
    "Member",
    "Route",
    "SprachbundRouter",
    "choose_arm",
    "collection_files",
    "evaluate_collection",
    "plan_members",
]

_NAMES = {
    "arms": [
        "choose_arm",
    ],
    "collection": [
        "Collection",
        "collection_files",
    ],
    "evaluation": [
        "evaluate_collection",
    ],
    "members": [
        "Member",
        "plan_members",
    ],
    "router": [
        "Route",
        "SprachbundRouter",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
