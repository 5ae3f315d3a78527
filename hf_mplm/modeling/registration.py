"""Registers this package's architectures with transformers' auto classes.

Configurations register when `hf_mplm` is imported. Model classes, which take longer to import, register when a
configuration is first made: every auto class makes one before it looks for a model class.
"""

from __future__ import annotations

import importlib


__all__ = ["register_configs", "register_models"]

# Module of the modeling file, and what tokenizers transformers has for the architecture underneath (slow, fast).
ARCHITECTURES = {
    "XLMRoberta": ("modeling_xlm_roberta_langscript", "XLMRobertaTokenizer", "XLMRobertaTokenizerFast"),
    "Bert": ("modeling_bert_langscript", "BertTokenizer", "BertTokenizerFast"),
    "ModernBert": ("modeling_modernbert_langscript", None, "PreTrainedTokenizerFast"),
}


def register_configs() -> None:
    """Register the configurations with `AutoConfig`; registering again changes nothing."""
    from transformers.models.auto.configuration_auto import AutoConfig

    from hf_mplm._version import __version__

    from . import configuration_langscript as configurations

    configurations.LangScriptConfigMixin.package_version = __version__
    configurations.LangScriptConfigMixin.on_first_use = register_models
    for architecture in ARCHITECTURES:
        config_class = getattr(configurations, f"{architecture}LangScriptConfig")
        AutoConfig.register(config_class.model_type, config_class, exist_ok=True)


def register_models() -> None:
    """Register every model class and tokenizer; called when a configuration is first made."""
    import transformers

    from . import configuration_langscript as configurations
    from .remote_code import classes_by_auto_class

    configurations.LangScriptConfigMixin.on_first_use = None
    for architecture, (module_name, slow, fast) in ARCHITECTURES.items():
        config_class = getattr(configurations, f"{architecture}LangScriptConfig")
        module = importlib.import_module(f".{module_name}", __package__)
        for auto, name in classes_by_auto_class(architecture).items():
            getattr(transformers, auto).register(config_class, getattr(module, name), exist_ok=True)
        transformers.AutoTokenizer.register(
            config_class,
            slow_tokenizer_class=getattr(transformers, slow) if slow else None,
            fast_tokenizer_class=getattr(transformers, fast),
            exist_ok=True,
        )
