"""ModernBERT (and mmBERT) with language and script embeddings: the masked-LM class, the encoder and its heads."""

from __future__ import annotations

import torch
import transformers
from transformers import (
    ModernBertConfig,
    ModernBertForQuestionAnswering,
    ModernBertForSequenceClassification,
    ModernBertForTokenClassification,
    ModernBertModel,
)

# Before https://github.com/huggingface/transformers/pull/46022, transformers copied from a local folder only what this
# file imports itself, and not what those files import. The unused imports can go with the older versions.
from .compat import TRANSFORMERS_5  # noqa: F401
from .configuration_langscript import LangScriptConfigMixin  # noqa: F401
from .configuration_modernbert_langscript import ModernBertLangScriptConfig
from .langscript import LangScriptLM
from .language_embeddings import LangScriptEmbedding  # noqa: F401
from .masked_only_lm import MaskedOnlyLM
from .remote_code import RemoteCode


__all__ = [
    "ModernBertForLangScriptMLM",
    "ModernBertForMaskedLM",
    "ModernBertLangScriptForQuestionAnswering",
    "ModernBertLangScriptForSequenceClassification",
    "ModernBertLangScriptForTokenClassification",
    "ModernBertLangScriptModel",
]


class ModernBertForMaskedLM(MaskedOnlyLM, transformers.ModernBertForMaskedLM):  # type: ignore[misc]
    """`transformers.ModernBertForMaskedLM` with the loss at masked positions only; see [`MaskedOnlyLM`].

    Args:
        config (`ModernBertConfig`): the configuration.
    """

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        return self.head(states)


class _Checkpoint(RemoteCode):
    """What the classes that load one checkpoint share."""

    config_class = ModernBertLangScriptConfig
    architecture = "ModernBert"
    remote_file = "modeling_modernbert_langscript.py"
    # What belongs to pretraining is not missed by anybody who loads the encoder.
    _keys_to_ignore_on_load_unexpected: set[str] | list[str] | None = [
        r"^(head|decoder)\.",
        r"^(language|script)_embeddings\.",
    ]


class ModernBertForLangScriptMLM(_Checkpoint, LangScriptLM, ModernBertForMaskedLM):  # type: ignore[misc]
    """ModernBERT with language and script embeddings added before its LM head; see [`LangScriptLM`].

    Args:
        config ([`ModernBertLangScriptConfig`]): the configuration.
    """

    stock_config_class = ModernBertConfig
    stock_encoder_class = ModernBertModel
    _keys_to_ignore_on_load_unexpected = None

    def __init__(self, config: ModernBertLangScriptConfig) -> None:
        super().__init__(config)
        self._add_tables()
        self.post_init()


class ModernBertLangScriptModel(_Checkpoint, ModernBertModel):
    """The encoder, which takes no ids."""


class ModernBertLangScriptForSequenceClassification(_Checkpoint, ModernBertForSequenceClassification):
    """The encoder with a head for sequences."""


class ModernBertLangScriptForTokenClassification(_Checkpoint, ModernBertForTokenClassification):
    """The encoder with a head for tokens."""


class ModernBertLangScriptForQuestionAnswering(_Checkpoint, ModernBertForQuestionAnswering):
    """The encoder with a head for spans."""
