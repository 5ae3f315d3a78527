"""From text to batches.

`corpus` reads text, `tokenizing` makes ids of it and `romanization` Latin letters, `store` keeps it on disk, `batches`
draws and masks. Imports `languages` and `jobs`. Names load when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from .batches.collators import DataCollatorForMaskedLM
    from .batches.columns import language_labels, row_lengths
    from .batches.masking import MaskedTokens, mask_tokens
    from .batches.sampling import LanguageSampler, SampledDataset
    from .batches.schedules import Schedule
    from .batches.transliteration_collator import DataCollatorForTransliteration
    from .corpus.corpora import CorpusReport, CorpusRow, iter_corpus, list_languages
    from .romanization.corpus import romanize_corpus
    from .romanization.romanizer import Romanizer
    from .store.pair_store import PairStore, load_pair_store, prepare_pair_store
    from .store.prepare import prepare_store
    from .store.token_store import TokenStore, load_store
    from .tokenizing.tokenizers import extend_tokenizer, load_tokenizer, tokenizer_fingerprint, train_tokenizer


__all__ = [
    "CorpusReport",
    "CorpusRow",
    "DataCollatorForMaskedLM",
    "DataCollatorForTransliteration",
    "LanguageSampler",
    "MaskedTokens",
    "PairStore",
    "Romanizer",
    "SampledDataset",
    "Schedule",
    "TokenStore",
    "extend_tokenizer",
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
    "tokenizer_fingerprint",
    "train_tokenizer",
]

_MODULES = {
    "batches.collators": ["DataCollatorForMaskedLM"],
    "batches.columns": ["language_labels", "row_lengths"],
    "corpus.corpora": ["CorpusReport", "CorpusRow", "iter_corpus", "list_languages"],
    "batches.masking": ["MaskedTokens", "mask_tokens"],
    "store.pair_store": ["PairStore", "load_pair_store", "prepare_pair_store"],
    "store.prepare": ["prepare_store"],
    "romanization.romanizer": ["Romanizer"],
    "romanization.corpus": ["romanize_corpus"],
    "batches.sampling": ["LanguageSampler", "SampledDataset"],
    "batches.schedules": ["Schedule"],
    "store.token_store": ["TokenStore", "load_store"],
    "tokenizing.tokenizers": ["extend_tokenizer", "load_tokenizer", "tokenizer_fingerprint", "train_tokenizer"],
    "batches.transliteration_collator": ["DataCollatorForTransliteration"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    # Reading a schedule or a language label must not cost the import of torch and datasets.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
