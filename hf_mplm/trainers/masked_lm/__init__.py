"""Masked language modelling, with LangSAMP's embeddings or without.

Imports `trainers.base`, `data` and `modeling`.
"""

from __future__ import annotations
