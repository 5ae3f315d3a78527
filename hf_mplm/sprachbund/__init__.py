"""Representation sprachbunds: vectors of languages, clusters of similar languages, and what linguistics says of both.

May import `languages`, `jobs`, `data`, `modeling` and `evaluation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .analysis import analyse
    from .cluster import cluster_languages
    from .collection.evaluation import evaluate_collection
    from .collection.router import SprachbundRouter
    from .compute import compute_language_vectors
    from .findings import Analysis, Finding
    from .language_vectors import LanguageVectors
    from .sprachbunds import Sprachbunds, read_clusters

__all__ = [
    "Analysis",
    "Finding",
    "LanguageVectors",
    "SprachbundRouter",
    "Sprachbunds",
    "analyse",
    "cluster_languages",
    "compute_language_vectors",
    "evaluate_collection",
    "read_clusters",
]

_NAMES = {
    "analysis": [
        "analyse",
    ],
    "cluster": [
        "cluster_languages",
    ],
    "collection.evaluation": [
        "evaluate_collection",
    ],
    "collection.router": [
        "SprachbundRouter",
    ],
    "compute": [
        "compute_language_vectors",
    ],
    "findings": [
        "Analysis",
        "Finding",
    ],
    "language_vectors": [
        "LanguageVectors",
    ],
    "sprachbunds": [
        "Sprachbunds",
        "read_clusters",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
