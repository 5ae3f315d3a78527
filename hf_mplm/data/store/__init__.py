"""Token stores and pair stores: how they are made from a corpus, and how they are read.

Imports `jobs`, `data.corpus`, `data.tokenizing`, `data.romanization` and `data.batches`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .pair_store import PairStore, load_pair_store, prepare_pair_store
    from .prepare import prepare_store
    from .token_store import TokenStore, load_store

__all__ = [
    "PairStore",
    "TokenStore",
    "load_pair_store",
    "load_store",
    "prepare_pair_store",
    "prepare_store",
]

_NAMES = {
    "pair_store": [
        "PairStore",
        "load_pair_store",
        "prepare_pair_store",
    ],
    "prepare": [
        "prepare_store",
    ],
    "token_store": [
        "TokenStore",
        "load_store",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
