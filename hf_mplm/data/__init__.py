from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from .collators import DataCollatorForMaskedLM
    from .columns import language_labels, row_lengths
    from .corpora import CorpusReport, CorpusRow, iter_corpus, list_languages
    from .masking import MaskedTokens, mask_tokens
    from .pair_store import PairStore, load_pair_store, prepare_pair_store
    from .prepare import prepare_store
    from .romanization import Romanizer
    from .romanized_corpus import romanize_corpus
    from .sampling import LanguageSampler, SampledDataset
    from .schedules import Schedule
    from .store import TokenStore, load_store
    from .tokenizers import extend_tokenizer, load_tokenizer, tokenizer_fingerprint, train_tokenizer
    from .transliteration_collator import DataCollatorForTransliteration


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
    "collators": ["DataCollatorForMaskedLM"],
    "columns": ["language_labels", "row_lengths"],
    "corpora": ["CorpusReport", "CorpusRow", "iter_corpus", "list_languages"],
    "masking": ["MaskedTokens", "mask_tokens"],
    "pair_store": ["PairStore", "load_pair_store", "prepare_pair_store"],
    "prepare": ["prepare_store"],
    "romanization": ["Romanizer"],
    "romanized_corpus": ["romanize_corpus"],
    "sampling": ["LanguageSampler", "SampledDataset"],
    "schedules": ["Schedule"],
    "store": ["TokenStore", "load_store"],
    "tokenizers": ["extend_tokenizer", "load_tokenizer", "tokenizer_fingerprint", "train_tokenizer"],
    "transliteration_collator": ["DataCollatorForTransliteration"],
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
