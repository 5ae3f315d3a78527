"""What a checkpoint holds: architectures, the masked-LM head, pooling. Names load when they are first used."""

from __future__ import annotations

import importlib
from typing import Any


_MODULE_OF = {
    "BertForLangScriptMLM": "modeling_bert_langscript",
    "BertLangScriptConfig": "configuration_langscript",
    "BertLangScriptForQuestionAnswering": "modeling_bert_langscript",
    "BertLangScriptForSequenceClassification": "modeling_bert_langscript",
    "BertLangScriptForTokenClassification": "modeling_bert_langscript",
    "BertLangScriptModel": "modeling_bert_langscript",
    "ModernBertForLangScriptMLM": "modeling_modernbert_langscript",
    "ModernBertLangScriptConfig": "configuration_langscript",
    "ModernBertLangScriptForQuestionAnswering": "modeling_modernbert_langscript",
    "ModernBertLangScriptForSequenceClassification": "modeling_modernbert_langscript",
    "ModernBertLangScriptForTokenClassification": "modeling_modernbert_langscript",
    "ModernBertLangScriptModel": "modeling_modernbert_langscript",
    "XLMRobertaForLangScriptMLM": "modeling_xlm_roberta_langscript",
    "XLMRobertaLangScriptConfig": "configuration_langscript",
    "XLMRobertaLangScriptForQuestionAnswering": "modeling_xlm_roberta_langscript",
    "XLMRobertaLangScriptForSequenceClassification": "modeling_xlm_roberta_langscript",
    "XLMRobertaLangScriptForTokenClassification": "modeling_xlm_roberta_langscript",
    "XLMRobertaLangScriptModel": "modeling_xlm_roberta_langscript",
    "capture_layer": "pooling",
    "default_layer": "pooling",
    "encode_to_layer": "pooling",
    "extend_vocabulary": "vocabulary",
    "linear_cross_entropy": "masked_lm",
    "load_masked_lm": "stock",
    "masked_lm_loss": "masked_lm",
    "masked_only": "stock",
    "mean_pool": "pooling",
    "split_codes": "configuration_langscript",
    "truncated_encoder": "pooling",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
