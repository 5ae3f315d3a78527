"""BERT (and mBERT) with language and script embeddings: the masked-LM class, the encoder and its heads."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)
from transformers.models.bert.modeling_bert import BertOnlyMLMHead

# Before https://github.com/huggingface/transformers/pull/46022, transformers copied from a local folder only what this
# file imports itself, and not what those files import. The unused imports can go with the older versions.
from .configuration_bert_langscript import BertLangScriptConfig
from .configuration_langscript import LangScriptConfigMixin  # noqa: F401
from .langscript import LangScriptLM
from .language_embeddings import LangScriptEmbedding  # noqa: F401
from .masked_only_lm import KeepsPooler, MaskedOnlyLM
from .remote_code import RemoteCode


__all__ = [
    "BertForLangScriptMLM",
    "BertForMaskedLM",
    "BertLangScriptForQuestionAnswering",
    "BertLangScriptForSequenceClassification",
    "BertLangScriptForTokenClassification",
    "BertLangScriptModel",
]


class BertEncoder(KeepsPooler, BertModel):  # type: ignore[misc]
    """BERT's encoder inside a masked-LM class, with its pooler kept."""


class BertForMaskedLM(MaskedOnlyLM, transformers.BertForMaskedLM):  # type: ignore[misc]
    """`transformers.BertForMaskedLM` with the loss at masked positions only; see [`MaskedOnlyLM`].

    Args:
        config (`BertConfig`): the configuration.
    """

    def __init__(self, config: Any) -> None:
        super(transformers.BertForMaskedLM, self).__init__(config)
        self.bert = BertEncoder(config)
        self.cls = BertOnlyMLMHead(config)
        self.post_init()

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        return self.cls.predictions.transform(states)


class _Checkpoint(RemoteCode):
    """What the classes that load one checkpoint share."""

    config_class = BertLangScriptConfig
    architecture = "Bert"
    remote_file = "modeling_bert_langscript.py"
    # What belongs to pretraining is not missed by anybody who loads the encoder, nor the pooler by most heads.
    _keys_to_ignore_on_load_unexpected: set[str] | list[str] | None = [
        r"^cls\.",
        r"^(language|script)_embeddings\.",
        r"^(bert\.)?pooler\.",
    ]


class BertForLangScriptMLM(_Checkpoint, LangScriptLM, BertForMaskedLM):  # type: ignore[misc]
    """BERT with language and script embeddings added before its LM head; see [`LangScriptLM`].

    Args:
        config ([`BertLangScriptConfig`]): the configuration.
    """

    stock_config_class = BertConfig
    stock_encoder_class = BertModel
    _keys_to_ignore_on_load_unexpected = None

    def __init__(self, config: BertLangScriptConfig) -> None:
        super().__init__(config)
        self._add_tables()
        self.post_init()


class BertLangScriptModel(_Checkpoint, BertModel):
    """The encoder, which takes no ids."""


class BertLangScriptForSequenceClassification(_Checkpoint, BertForSequenceClassification):
    """The encoder with a head for sequences."""


class BertLangScriptForTokenClassification(_Checkpoint, BertForTokenClassification):
    """The encoder with a head for tokens."""


class BertLangScriptForQuestionAnswering(_Checkpoint, BertForQuestionAnswering):
    """The encoder with a head for spans."""
