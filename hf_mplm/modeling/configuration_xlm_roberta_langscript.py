"""XLM-R (and Glot500): the configuration with language and script embeddings."""

from __future__ import annotations

from typing import Any

from transformers import XLMRobertaConfig

from .configuration_langscript import LangScriptConfigMixin


__all__ = ["XLMRobertaLangScriptConfig"]


class XLMRobertaLangScriptConfig(LangScriptConfigMixin, XLMRobertaConfig):
    """XLM-R (and Glot500) with language and script embeddings; arguments as in [`LangScriptConfigMixin`]."""

    model_type = "xlm-roberta-langscript"
    keys_to_ignore_at_inference = ["loss_components"]

    # transformers 5 makes dataclasses of configurations, and would write an __init__ where the class has none itself.
    def __init__(self, languages: list[str] | None = None, scripts: list[str] | None = None, **kwargs: Any) -> None:
        super().__init__(languages, scripts, **kwargs)
