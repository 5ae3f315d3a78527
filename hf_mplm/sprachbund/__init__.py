"""Representation sprachbunds: vectors of languages, clusters of similar languages, and what linguistics says of both.

May import `languages`, `jobs`, `data`, `modeling` and `evaluation`.
"""

from __future__ import annotations

from .language_vectors import LanguageVectors


__all__ = ["LanguageVectors"]
