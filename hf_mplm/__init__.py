"""Continue the pretraining of multilingual encoders, align them across languages and scripts, measure transfer.

Importing the package makes transformers' auto classes know its architectures. Public names load when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import lazy_names
from ._moved import install as _find_moved_modules
from ._version import __version__
from .modeling.registration import register_configs


if TYPE_CHECKING:
    from . import cli as cli
    from . import data as data
    from . import evaluation as evaluation
    from . import hub as hub
    from . import jobs as jobs
    from . import languages as languages
    from . import losses as losses
    from . import modeling as modeling
    from . import recipes as recipes
    from . import report as report
    from . import sample as sample
    from . import sprachbund as sprachbund
    from . import trainers as trainers
    from . import transfer as transfer
    from .data.batches.collators import DataCollatorForMaskedLM
    from .data.batches.sampling import LanguageSampler
    from .data.batches.transliteration_collator import DataCollatorForTransliteration
    from .data.corpus.corpora import iter_corpus
    from .data.romanization.corpus import romanize_corpus
    from .data.store.pair_store import PairStore, load_pair_store, prepare_pair_store
    from .data.store.prepare import prepare_store
    from .data.store.token_store import TokenStore, load_store
    from .data.tokenizing.tokenizers import load_tokenizer, train_tokenizer
    from .evaluation.measured import load_encoder
    from .evaluation.results import ResultRow, read_results
    from .evaluation.runner import evaluate
    from .languages import LanguageScript, parse_code
    from .modeling import (
        BertForLangScriptMLM,
        BertLangScriptConfig,
        ModernBertForLangScriptMLM,
        ModernBertLangScriptConfig,
        XLMRobertaForLangScriptMLM,
        XLMRobertaLangScriptConfig,
        default_layer,
        extend_vocabulary,
        load_masked_lm,
        mean_pool,
    )
    from .report.compare import compare_runs
    from .trainers.masked_lm.trainer import MaskedLMTrainer, MaskedLMTrainingArguments
    from .trainers.script_alignment.arguments import ScriptAlignmentArguments
    from .trainers.script_alignment.trainer import ScriptAlignmentTrainer
    from .trainers.static_alignment.arguments import StaticAlignmentArguments
    from .trainers.static_alignment.trainer import StaticAlignmentTrainer

__all__ = [
    "BertForLangScriptMLM",
    "BertLangScriptConfig",
    "DataCollatorForMaskedLM",
    "DataCollatorForTransliteration",
    "LanguageSampler",
    "LanguageScript",
    "MaskedLMTrainer",
    "MaskedLMTrainingArguments",
    "ModernBertForLangScriptMLM",
    "ModernBertLangScriptConfig",
    "PairStore",
    "ResultRow",
    "ScriptAlignmentArguments",
    "ScriptAlignmentTrainer",
    "StaticAlignmentArguments",
    "StaticAlignmentTrainer",
    "TokenStore",
    "XLMRobertaForLangScriptMLM",
    "XLMRobertaLangScriptConfig",
    "__version__",
    "compare_runs",
    "default_layer",
    "evaluate",
    "extend_vocabulary",
    "iter_corpus",
    "load_encoder",
    "load_masked_lm",
    "load_pair_store",
    "load_store",
    "load_tokenizer",
    "mean_pool",
    "parse_code",
    "prepare_pair_store",
    "prepare_store",
    "read_results",
    "romanize_corpus",
    "train_tokenizer",
]

_NAMES = {
    "data.batches.collators": [
        "DataCollatorForMaskedLM",
    ],
    "data.batches.sampling": [
        "LanguageSampler",
    ],
    "data.batches.transliteration_collator": [
        "DataCollatorForTransliteration",
    ],
    "data.corpus.corpora": [
        "iter_corpus",
    ],
    "data.romanization.corpus": [
        "romanize_corpus",
    ],
    "data.store.pair_store": [
        "PairStore",
        "load_pair_store",
        "prepare_pair_store",
    ],
    "data.store.prepare": [
        "prepare_store",
    ],
    "data.store.token_store": [
        "TokenStore",
        "load_store",
    ],
    "data.tokenizing.tokenizers": [
        "load_tokenizer",
        "train_tokenizer",
    ],
    "evaluation.measured": [
        "load_encoder",
    ],
    "evaluation.results": [
        "ResultRow",
        "read_results",
    ],
    "evaluation.runner": [
        "evaluate",
    ],
    "languages": [
        "LanguageScript",
        "parse_code",
    ],
    "modeling": [
        "BertForLangScriptMLM",
        "BertLangScriptConfig",
        "ModernBertForLangScriptMLM",
        "ModernBertLangScriptConfig",
        "XLMRobertaForLangScriptMLM",
        "XLMRobertaLangScriptConfig",
        "default_layer",
        "extend_vocabulary",
        "load_masked_lm",
        "mean_pool",
    ],
    "report.compare": [
        "compare_runs",
    ],
    "trainers.masked_lm.trainer": [
        "MaskedLMTrainer",
        "MaskedLMTrainingArguments",
    ],
    "trainers.script_alignment.arguments": [
        "ScriptAlignmentArguments",
    ],
    "trainers.script_alignment.trainer": [
        "ScriptAlignmentTrainer",
    ],
    "trainers.static_alignment.arguments": [
        "StaticAlignmentArguments",
    ],
    "trainers.static_alignment.trainer": [
        "StaticAlignmentTrainer",
    ],
}

_find_moved_modules()
register_configs()

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
