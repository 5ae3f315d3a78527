"""XLM-R (and Glot500) with language and script embeddings: the masked-LM class, the encoder and its heads."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    XLMRobertaConfig,
    XLMRobertaForQuestionAnswering,
    XLMRobertaForSequenceClassification,
    XLMRobertaForTokenClassification,
    XLMRobertaModel,
    XLMRobertaPreTrainedModel,
)
from transformers.activations import gelu
from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaLMHead

from .configuration_langscript import XLMRobertaLangScriptConfig
from .langscript import LangScriptLM
from .masked_only import KeepsPooler
from .remote_code import RemoteCode


__all__ = [
    "XLMRobertaForLangScriptMLM",
    "XLMRobertaLangScriptForQuestionAnswering",
    "XLMRobertaLangScriptForSequenceClassification",
    "XLMRobertaLangScriptForTokenClassification",
    "XLMRobertaLangScriptModel",
]


class _Checkpoint(RemoteCode):
    """What the classes that load one checkpoint share."""

    config_class = XLMRobertaLangScriptConfig
    remote_file = "modeling_xlm_roberta_langscript.py"
    remote_classes = {
        "AutoModel": "XLMRobertaLangScriptModel",
        "AutoModelForMaskedLM": "XLMRobertaForLangScriptMLM",
        "AutoModelForQuestionAnswering": "XLMRobertaLangScriptForQuestionAnswering",
        "AutoModelForSequenceClassification": "XLMRobertaLangScriptForSequenceClassification",
        "AutoModelForTokenClassification": "XLMRobertaLangScriptForTokenClassification",
    }
    # What belongs to pretraining is not missed by anybody who loads the encoder.
    _keys_to_ignore_on_load_unexpected = [r"^lm_head\.", r"^(language|script)_embeddings\.", r"pooler\."]


class XLMRobertaEncoderWithPooler(KeepsPooler, XLMRobertaModel):
    """The encoder inside the masked-LM class."""

    config_class = XLMRobertaLangScriptConfig


class XLMRobertaForLangScriptMLM(_Checkpoint, LangScriptLM, XLMRobertaPreTrainedModel):
    """XLM-R with language and script embeddings added before its LM head; see [`LangScriptLM`].

    Args:
        config ([`XLMRobertaLangScriptConfig`]): the configuration.
    """

    stock_config_class = XLMRobertaConfig
    stock_encoder_class = XLMRobertaModel
    _keys_to_ignore_on_load_unexpected = None
    _tied_weights_keys = {
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    }

    def __init__(self, config: XLMRobertaLangScriptConfig) -> None:
        super().__init__(config)
        self.roberta = XLMRobertaEncoderWithPooler(config)
        self.lm_head = XLMRobertaLMHead(config)
        self._add_tables()
        self.post_init()

    def get_output_embeddings(self) -> torch.nn.Module:
        """The decoder, tied to the input embeddings."""
        return self.lm_head.decoder

    def set_output_embeddings(self, new_embeddings: Any) -> None:
        """Replace the decoder.

        Args:
            new_embeddings (`nn.Linear`): the new decoder.
        """
        self.lm_head.decoder = new_embeddings
        self.lm_head.bias = new_embeddings.bias

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        return self.lm_head.layer_norm(gelu(self.lm_head.dense(states)))


class XLMRobertaLangScriptModel(_Checkpoint, XLMRobertaModel):
    """The encoder, which takes no ids."""


class XLMRobertaLangScriptForSequenceClassification(_Checkpoint, XLMRobertaForSequenceClassification):
    """The encoder with a head for sequences."""


class XLMRobertaLangScriptForTokenClassification(_Checkpoint, XLMRobertaForTokenClassification):
    """The encoder with a head for tokens."""


class XLMRobertaLangScriptForQuestionAnswering(_Checkpoint, XLMRobertaForQuestionAnswering):
    """The encoder with a head for spans."""
