"""From text to batches.

`corpus` reads text, `tokenizing` makes ids of it and `romanization` Latin letters, `store` keeps it on disk, `batches`
draws and masks. May import `languages` and `jobs`. Names load when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from . import batches as batches
    from . import corpus as corpus
    from . import romanization as romanization
    from . import store as store
    from . import tokenizing as tokenizing
    from .batches.collators import DataCollatorForMaskedLM
    from .batches.columns import language_labels, row_lengths
    from .batches.held_out import HeldOutDataset
    from .batches.masking import MaskedTokens, mask_tokens
    from .batches.sampling import LanguageSampler, SampledDataset
    from .batches.schedules import Schedule
    from .batches.transliteration_collator import DataCollatorForTransliteration
    from .corpus.corpora import CorpusReport, CorpusRow, iter_corpus, list_languages
    from .romanization.corpus import romanize_corpus
    from .romanization.romanizer import Romanizer
    from .store.held_out_text import held_out_text
    from .store.pair_store import PairStore, load_pair_store, prepare_pair_store
    from .store.prepare import prepare_store
    from .store.token_store import TokenStore, load_store
    from .tokenizing.similarity import similar_tokens
    from .tokenizing.tokenizers import (
        extend_tokenizer,
        load_tokenizer,
        save_tokenizer,
        tokenizer_fingerprint,
        train_tokenizer,
    )
    from .word_vectors import WordVectors

__all__ = [
    "CorpusReport",
    "CorpusRow",
    "DataCollatorForMaskedLM",
    "DataCollatorForTransliteration",
    "HeldOutDataset",
    "LanguageSampler",
    "MaskedTokens",
    "PairStore",
    "Romanizer",
    "SampledDataset",
    "Schedule",
    "TokenStore",
    "WordVectors",
    "extend_tokenizer",
    "held_out_text",
    "iter_corpus",
    "language_labels",
    "list_languages",
    "load_pair_store",
    "load_store",
    "load_tokenizer",
    "mask_tokens",
    "prepare_pair_store",
    "prepare_store",
    "romanize_corpus",
    "row_lengths",
    "save_tokenizer",
    "similar_tokens",
    "tokenizer_fingerprint",
    "train_tokenizer",
]

_NAMES = {
    "batches.collators": [
        "DataCollatorForMaskedLM",
    ],
    "batches.columns": [
        "language_labels",
        "row_lengths",
    ],
    "batches.held_out": [
        "HeldOutDataset",
    ],
    "batches.masking": [
        "MaskedTokens",
        "mask_tokens",
    ],
    "batches.sampling": [
        "LanguageSampler",
        "SampledDataset",
    ],
    "batches.schedules": [
        "Schedule",
    ],
    "batches.transliteration_collator": [
        "DataCollatorForTransliteration",
    ],
    "corpus.corpora": [
        "CorpusReport",
        "CorpusRow",
        "iter_corpus",
        "list_languages",
    ],
    "romanization.corpus": [
        "romanize_corpus",
    ],
    "romanization.romanizer": [
        "Romanizer",
    ],
    "store.held_out_text": [
        "held_out_text",
    ],
    "store.pair_store": [
        "PairStore",
        "load_pair_store",
        "prepare_pair_store",
    ],
    "store.prepare": [
        "prepare_store",
    ],
    "store.token_store": [
        "TokenStore",
        "load_store",
    ],
    "tokenizing.similarity": [
        "similar_tokens",
    ],
    "tokenizing.tokenizers": [
        "extend_tokenizer",
        "load_tokenizer",
        "save_tokenizer",
        "tokenizer_fingerprint",
        "train_tokenizer",
    ],
    "word_vectors": [
        "WordVectors",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
