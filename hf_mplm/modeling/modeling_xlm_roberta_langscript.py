"""XLM-R (and Glot500) with language and script embeddings: the masked-LM class, the encoder and its heads."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers import (
    XLMRobertaConfig,
    XLMRobertaForQuestionAnswering,
    XLMRobertaForSequenceClassification,
    XLMRobertaForTokenClassification,
    XLMRobertaModel,
)
from transformers.activations import gelu
from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaLMHead

# Before https://github.com/huggingface/transformers/pull/46022, transformers copied from a local folder only what this
# file imports itself, and not what those files import. The unused imports can go with the older versions.
from .configuration_langscript import LangScriptConfigMixin  # noqa: F401
from .configuration_xlm_roberta_langscript import XLMRobertaLangScriptConfig
from .langscript import LangScriptLM
from .language_embeddings import LangScriptEmbedding  # noqa: F401
from .masked_only_lm import KeepsPooler, MaskedOnlyLM
from .remote_code import RemoteCode


__all__ = [
    "XLMRobertaForLangScriptMLM",
    "XLMRobertaForMaskedLM",
    "XLMRobertaLangScriptForQuestionAnswering",
    "XLMRobertaLangScriptForSequenceClassification",
    "XLMRobertaLangScriptForTokenClassification",
    "XLMRobertaLangScriptModel",
]


class XLMRobertaEncoder(KeepsPooler, XLMRobertaModel):  # type: ignore[misc]
    """XLM-R's encoder inside a masked-LM class, with its pooler kept."""


class XLMRobertaForMaskedLM(MaskedOnlyLM, transformers.XLMRobertaForMaskedLM):  # type: ignore[misc]
    """`transformers.XLMRobertaForMaskedLM` with the loss at masked positions only; see [`MaskedOnlyLM`].

    Args:
        config (`XLMRobertaConfig`): the configuration.
    """

    def __init__(self, config: Any) -> None:
        # Past the stock class, which would build another encoder.
        super(transformers.XLMRobertaForMaskedLM, self).__init__(config)
        self.roberta = XLMRobertaEncoder(config)
        self.lm_head = XLMRobertaLMHead(config)
        self.post_init()

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        return self.lm_head.layer_norm(gelu(self.lm_head.dense(states)))


class _Checkpoint(RemoteCode):
    """What the classes that load one checkpoint share."""

    config_class = XLMRobertaLangScriptConfig
    architecture = "XLMRoberta"
    remote_file = "modeling_xlm_roberta_langscript.py"
    # What belongs to pretraining is not missed by anybody who loads the encoder, nor the pooler by most heads.
    _keys_to_ignore_on_load_unexpected: set[str] | list[str] | None = [
        r"^lm_head\.",
        r"^(language|script)_embeddings\.",
        r"^(roberta\.)?pooler\.",
    ]


class XLMRobertaForLangScriptMLM(_Checkpoint, LangScriptLM, XLMRobertaForMaskedLM):  # type: ignore[misc]
    """XLM-R with language and script embeddings added before its LM head; see [`LangScriptLM`].

    Args:
        config ([`XLMRobertaLangScriptConfig`]): the configuration.
    """

    stock_config_class = XLMRobertaConfig
    stock_encoder_class = XLMRobertaModel
    _keys_to_ignore_on_load_unexpected = None

    def __init__(self, config: XLMRobertaLangScriptConfig) -> None:
        super().__init__(config)
        self._add_tables()
        self.post_init()


class XLMRobertaLangScriptModel(_Checkpoint, XLMRobertaModel):
    """The encoder, which takes no ids."""


class XLMRobertaLangScriptForSequenceClassification(_Checkpoint, XLMRobertaForSequenceClassification):
    """The encoder with a head for sequences."""


class XLMRobertaLangScriptForTokenClassification(_Checkpoint, XLMRobertaForTokenClassification):
    """The encoder with a head for tokens."""


class XLMRobertaLangScriptForQuestionAnswering(_Checkpoint, XLMRobertaForQuestionAnswering):
    """The encoder with a head for spans."""
