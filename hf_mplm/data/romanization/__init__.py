"""Latin transliteration as uroman writes it, by the smallest units that give its output.

Imports `jobs` and `data.corpus`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .corpus import romanize_corpus
    from .romanizer import Romanizer

__all__ = [
    "Romanizer",
    "romanize_corpus",
]

_NAMES = {
    "corpus": [
        "romanize_corpus",
    ],
    "romanizer": [
        "Romanizer",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
