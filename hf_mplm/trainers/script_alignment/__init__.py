"""Transliteration-based script alignment (PPA, TransliCo).

Imports `trainers.masked_lm`, `losses`, `data` and `modeling`.
"""

from __future__ import annotations
