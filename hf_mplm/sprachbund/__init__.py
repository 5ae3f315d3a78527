"""Representation sprachbunds: vectors of languages, clusters of similar languages, and what linguistics says of both.

May import `languages`, `jobs`, `data`, `modeling` and `evaluation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .analysis import analyse
    from .findings import Analysis, Finding
    from .language_vectors import LanguageVectors

__all__ = [
    "Analysis",
    "Finding",
    "LanguageVectors",
    "analyse",
]

_NAMES = {
    "analysis": [
        "analyse",
    ],
    "findings": [
        "Analysis",
        "Finding",
    ],
    "language_vectors": [
        "LanguageVectors",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
