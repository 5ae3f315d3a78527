"""Tokenizers: training, loading, extending, and encoding text to ids.

Imports `data.corpus`.
"""

from __future__ import annotations
