"""Continue the pretraining of multilingual encoders, align them across languages and scripts, measure transfer.

Importing the package makes transformers' auto classes know its architectures. Public names load when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

from ._moved import install as _find_moved_modules
from ._version import __version__
from .modeling.registration import register_configs


_MODULE_OF = {
    "BertForLangScriptMLM": "modeling",
    "BertLangScriptConfig": "modeling",
    "DataCollatorForMaskedLM": "data.batches.collators",
    "DataCollatorForTransliteration": "data.batches.transliteration_collator",
    "LanguageSampler": "data.batches.sampling",
    "LanguageScript": "languages",
    "MaskedLMTrainer": "trainers.masked_lm.trainer",
    "MaskedLMTrainingArguments": "trainers.masked_lm.trainer",
    "ModernBertForLangScriptMLM": "modeling",
    "ModernBertLangScriptConfig": "modeling",
    "PairStore": "data.store.pair_store",
    "ScriptAlignmentArguments": "trainers.script_alignment.arguments",
    "ScriptAlignmentTrainer": "trainers.script_alignment.trainer",
    "TokenStore": "data.store.token_store",
    "XLMRobertaForLangScriptMLM": "modeling",
    "XLMRobertaLangScriptConfig": "modeling",
    "default_layer": "modeling",
    "evaluate": "evaluation.runner",
    "extend_vocabulary": "modeling",
    "load_masked_lm": "modeling",
    "load_pair_store": "data.store.pair_store",
    "load_store": "data.store.token_store",
    "load_tokenizer": "data.tokenizing.tokenizers",
    "mean_pool": "modeling",
    "parse_code": "languages",
    "prepare_pair_store": "data.store.pair_store",
    "prepare_store": "data.store.prepare",
    "read_results": "evaluation.results",
    "train_tokenizer": "data.tokenizing.tokenizers",
}

__all__ = ["__version__", *sorted(_MODULE_OF)]  # noqa: RUF022

_find_moved_modules()
register_configs()


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
