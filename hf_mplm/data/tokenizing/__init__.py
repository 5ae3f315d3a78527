"""Tokenizers: training, loading, extending, and encoding text to ids.

Imports `data.corpus`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .similarity import similar_tokens
    from .tokenizers import extend_tokenizer, load_tokenizer, save_tokenizer, tokenizer_fingerprint, train_tokenizer

__all__ = [
    "extend_tokenizer",
    "load_tokenizer",
    "save_tokenizer",
    "similar_tokens",
    "tokenizer_fingerprint",
    "train_tokenizer",
]

_NAMES = {
    "similarity": ["similar_tokens"],
    "tokenizers": [
        "extend_tokenizer",
        "load_tokenizer",
        "save_tokenizer",
        "tokenizer_fingerprint",
        "train_tokenizer",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
