"""Registers this package's architectures with transformers' auto classes.

Configurations register when `hf_mplm` is imported. Model classes, which take longer to import, register when a
configuration is first made: every auto class makes one before it looks for a model class.
"""

from __future__ import annotations


__all__ = ["register_configs", "register_models"]


def register_configs() -> None:
    """Register the configurations with `AutoConfig`; registering again changes nothing."""
    from transformers.models.auto.configuration_auto import AutoConfig

    from hf_mplm._version import __version__

    from .architectures import ARCHITECTURES
    from .configuration_langscript import LangScriptConfigMixin

    LangScriptConfigMixin.package_version = __version__
    LangScriptConfigMixin.on_first_use = register_models
    for architecture in ARCHITECTURES:
        AutoConfig.register(architecture.langscript_type, architecture.config_class, exist_ok=True)


def register_models() -> None:
    """Register every model class and tokenizer; called when a configuration is first made."""
    import transformers

    from .architectures import ARCHITECTURES
    from .configuration_langscript import LangScriptConfigMixin
    from .remote_code import classes_by_auto_class

    LangScriptConfigMixin.on_first_use = None
    for architecture in ARCHITECTURES:
        config_class, slow = architecture.config_class, architecture.slow_tokenizer
        for auto, name in classes_by_auto_class(architecture.name).items():
            getattr(transformers, auto).register(config_class, architecture.load(name), exist_ok=True)
        transformers.AutoTokenizer.register(
            config_class,
            slow_tokenizer_class=getattr(transformers, slow) if slow else None,
            fast_tokenizer_class=getattr(transformers, architecture.fast_tokenizer),
            exist_ok=True,
        )
