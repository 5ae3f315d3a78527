"""Static embeddings: word vectors of many languages, their mapping into one space, and dictionaries.

May import `languages`, `jobs`, `data`, `evaluation` and `hub`.
"""

from __future__ import annotations

from .embeddings import StaticEmbeddings


__all__ = ["StaticEmbeddings"]
