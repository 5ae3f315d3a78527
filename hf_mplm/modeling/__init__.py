"""What a checkpoint holds: architectures, the masked-LM head, pooling. Names load when they are first used.

Flat. What travels with a checkpoint imports torch, transformers and its neighbours by `from .name`; the rest, which
makes, reads and trains checkpoints, may import `jobs` besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names

from .architectures import ARCHITECTURES


if TYPE_CHECKING:
    from .configuration_bert_langscript import BertLangScriptConfig
    from .configuration_langscript import split_codes
    from .configuration_modernbert_langscript import ModernBertLangScriptConfig
    from .configuration_xlm_roberta_langscript import XLMRobertaLangScriptConfig
    from .masked_lm import linear_cross_entropy, masked_lm_loss
    from .modeling_bert_langscript import (
        BertForLangScriptMLM,
        BertLangScriptForQuestionAnswering,
        BertLangScriptForSequenceClassification,
        BertLangScriptForTokenClassification,
        BertLangScriptModel,
    )
    from .modeling_modernbert_langscript import (
        ModernBertForLangScriptMLM,
        ModernBertLangScriptForQuestionAnswering,
        ModernBertLangScriptForSequenceClassification,
        ModernBertLangScriptForTokenClassification,
        ModernBertLangScriptModel,
    )
    from .modeling_xlm_roberta_langscript import (
        XLMRobertaForLangScriptMLM,
        XLMRobertaLangScriptForQuestionAnswering,
        XLMRobertaLangScriptForSequenceClassification,
        XLMRobertaLangScriptForTokenClassification,
        XLMRobertaLangScriptModel,
    )
    from .pooling import capture_layer, default_layer, encode_to_layer, mean_pool, truncated_encoder
    from .stock import load_masked_lm, masked_only
    from .vocabulary import extend_vocabulary, trim_vocabulary

__all__ = [
    "BertForLangScriptMLM",
    "BertLangScriptConfig",
    "BertLangScriptForQuestionAnswering",
    "BertLangScriptForSequenceClassification",
    "BertLangScriptForTokenClassification",
    "BertLangScriptModel",
    "ModernBertForLangScriptMLM",
    "ModernBertLangScriptConfig",
    "ModernBertLangScriptForQuestionAnswering",
    "ModernBertLangScriptForSequenceClassification",
    "ModernBertLangScriptForTokenClassification",
    "ModernBertLangScriptModel",
    "XLMRobertaForLangScriptMLM",
    "XLMRobertaLangScriptConfig",
    "XLMRobertaLangScriptForQuestionAnswering",
    "XLMRobertaLangScriptForSequenceClassification",
    "XLMRobertaLangScriptForTokenClassification",
    "XLMRobertaLangScriptModel",
    "capture_layer",
    "default_layer",
    "encode_to_layer",
    "extend_vocabulary",
    "linear_cross_entropy",
    "load_masked_lm",
    "masked_lm_loss",
    "masked_only",
    "mean_pool",
    "split_codes",
    "trim_vocabulary",
    "truncated_encoder",
]

_NAMES = {
    "configuration_langscript": ["split_codes"],
    "masked_lm": ["linear_cross_entropy", "masked_lm_loss"],
    "pooling": ["capture_layer", "default_layer", "encode_to_layer", "mean_pool", "truncated_encoder"],
    "stock": ["load_masked_lm", "masked_only"],
    "vocabulary": ["extend_vocabulary", "trim_vocabulary"],
}
for _architecture in ARCHITECTURES:
    for _name, _module in _architecture.modules.items():
        _NAMES.setdefault(_module, []).append(_name)

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
