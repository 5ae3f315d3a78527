"""Text as it comes: the files of a corpus, the Hub's datasets, rows of sentence and language, what was dropped.

Imports `languages` and `jobs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .corpora import CorpusReport, CorpusRow, iter_corpus, list_languages

__all__ = [
    "CorpusReport",
    "CorpusRow",
    "iter_corpus",
    "list_languages",
]

_NAMES = {
    "corpora": [
        "CorpusReport",
        "CorpusRow",
        "iter_corpus",
        "list_languages",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
