"""ModernBERT (and mmBERT): the configuration with language and script embeddings."""

from __future__ import annotations

from typing import Any

from transformers import ModernBertConfig

from .compat import rename_rope
from .configuration_langscript import LangScriptConfigMixin


__all__ = ["ModernBertLangScriptConfig"]


class ModernBertLangScriptConfig(LangScriptConfigMixin, ModernBertConfig):
    """ModernBERT (and mmBERT) with language and script embeddings; arguments as in [`LangScriptConfigMixin`]."""

    model_type = "modernbert-langscript"
    keys_to_ignore_at_inference = ["past_key_values", "loss_components"]

    def __init__(self, languages: list[str] | None = None, scripts: list[str] | None = None, **kwargs: Any) -> None:
        super().__init__(languages, scripts, **rename_rope(kwargs))
