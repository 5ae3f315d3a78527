"""Registers this package's architectures with transformers' auto classes, loading nothing before it is needed.

Configurations register when transformers' own table of configurations is there: at once if it is loaded already, and
as soon as somebody loads it otherwise, so that `import hf_mplm` alone stays quick (`hf-mplm --help`). Model classes
register when a configuration is first made, which every auto class does before it looks for a model class.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType


__all__ = ["register_configs", "register_models", "register_with_transformers"]

TABLE_OF_CONFIGS = "transformers.models.auto.configuration_auto"

# Module of the modeling file, and what tokenizers transformers has for the architecture underneath (slow, fast).
ARCHITECTURES = {
    "XLMRoberta": ("modeling_xlm_roberta_langscript", "XLMRobertaTokenizer", "XLMRobertaTokenizerFast"),
    "Bert": ("modeling_bert_langscript", "BertTokenizer", "BertTokenizerFast"),
    "ModernBert": ("modeling_modernbert_langscript", None, "PreTrainedTokenizerFast"),
}


def register_with_transformers() -> None:
    """Register the configurations now, or when transformers' table of configurations is first imported."""
    if TABLE_OF_CONFIGS in sys.modules:
        register_configs()
    elif not any(isinstance(finder, _WhenImported) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenImported())


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


class _WhenImported(importlib.abc.MetaPathFinder):
    """Calls [`register_configs`] once transformers' table of configurations has been imported, and leaves."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != TABLE_OF_CONFIGS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader)
        return spec


class _RegisteringLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        register_configs()
