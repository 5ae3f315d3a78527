"""Static embeddings: word vectors of many languages, their mapping into one space, and dictionaries.

May import `languages`, `jobs`, `data`, `modeling`, `evaluation` and `hub`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .embeddings import StaticEmbeddings
    from .extraction.extract import extract_static
    from .extraction.settings import ExtractionSettings

__all__ = [
    "ExtractionSettings",
    "StaticEmbeddings",
    "extract_static",
]

_NAMES = {
    "embeddings": ["StaticEmbeddings"],
    "extraction.extract": ["extract_static"],
    "extraction.settings": ["ExtractionSettings"],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
