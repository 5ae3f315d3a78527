"""Token stores and pair stores: how they are made from a corpus, and how they are read.

Imports `jobs`, `data.corpus`, `data.tokenizing` and `data.romanization`.
"""

from __future__ import annotations
