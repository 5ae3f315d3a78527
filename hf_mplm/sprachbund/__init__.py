"""Representation sprachbunds: languages that belong together by what an encoder knows of them.

`vectors` are made of text, `clusters` of vectors; `linguistics` judges both, and a `collection` has a model for each
cluster. May import `languages`, `jobs`, `data`, `modeling` and `evaluation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .clusters.cluster import cluster_languages
    from .clusters.sprachbunds import Sprachbunds, read_clusters
    from .collection.collection import collection_files
    from .collection.evaluation import evaluate_collection
    from .collection.router import SprachbundRouter
    from .linguistics.analysis import analyse
    from .linguistics.findings import Analysis, Finding
    from .vectors.compute import compute_language_vectors
    from .vectors.language_vectors import LanguageVectors

__all__ = [
    "Analysis",
    "Finding",
    "LanguageVectors",
    "SprachbundRouter",
    "Sprachbunds",
    "analyse",
    "cluster_languages",
    "collection_files",
    "compute_language_vectors",
    "evaluate_collection",
    "read_clusters",
]

_NAMES = {
    "linguistics.analysis": [
        "analyse",
    ],
    "clusters.cluster": [
        "cluster_languages",
    ],
    "collection.collection": [
        "collection_files",
    ],
    "collection.evaluation": [
        "evaluate_collection",
    ],
    "collection.router": [
        "SprachbundRouter",
    ],
    "vectors.compute": [
        "compute_language_vectors",
    ],
    "linguistics.findings": [
        "Analysis",
        "Finding",
    ],
    "vectors.language_vectors": [
        "LanguageVectors",
    ],
    "clusters.sprachbunds": [
        "Sprachbunds",
        "read_clusters",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
