"""The architectures that this package knows, one record each: the only place where code asks which one a model is.

To add one, write its two files (`configuration_NAME_langscript.py`, `modeling_NAME_langscript.py`) and its record.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .remote_code import classes_by_auto_class


__all__ = ["ARCHITECTURES", "Architecture", "find_architecture", "known_types"]

_SUFFIX = "-langscript"


@dataclass(frozen=True)
class Architecture:
    """What is particular to an architecture. Its classes load when they are first asked for.

    Args:
        name (`str`): as transformers' class names begin, `XLMRoberta`.
        model_type (`str`): of transformers' own configuration, `xlm-roberta`.
        slow_tokenizer (`str`, *optional*): transformers' tokenizer class for it in Python, where there is one.
        fast_tokenizer (`str`): the same of the `tokenizers` library.
        after_attention (`str`, *optional*): class of what follows attention in a layer of BERT's shape, in which
            [`~hf_mplm.modeling.final_layer.can_narrow`] may compute some positions alone; `None` for other shapes.
        counts_from_padding (`bool`, *optional*, defaults to `False`): positions begin behind the padding's id.
        has_local_layers (`bool`, *optional*, defaults to `False`): some layers see a window only, and need a mask of
            their own.
        published (`Mapping`, *optional*): what published checkpoints have where the configuration's defaults differ.
    """

    name: str
    model_type: str
    slow_tokenizer: str | None
    fast_tokenizer: str
    after_attention: str | None = None
    counts_from_padding: bool = False
    has_local_layers: bool = False
    published: Mapping[str, Any] = field(default_factory=dict)

    @property
    def langscript_type(self) -> str:
        """The model type with language and script embeddings, `xlm-roberta-langscript`."""
        return self.model_type + _SUFFIX

    @property
    def modules(self) -> dict[str, str]:
        """The names of this package's public classes, with the module of each."""
        stem = self.model_type.replace("-", "_")
        named = dict.fromkeys(classes_by_auto_class(self.name).values(), f"modeling_{stem}_langscript")
        return {f"{self.name}LangScriptConfig": f"configuration_{stem}_langscript", **named}

    @property
    def config_class(self) -> Any:
        """The configuration with language and script embeddings."""
        return self.load(f"{self.name}LangScriptConfig")

    @property
    def masked_lm_class(self) -> Any:
        """The masked-LM class with language and script embeddings."""
        return self.load(f"{self.name}ForLangScriptMLM")

    @property
    def fast_class(self) -> Any:
        """transformers' masked-LM class with the loss at masked positions only."""
        module = self.modules[f"{self.name}ForLangScriptMLM"]
        return getattr(importlib.import_module(f".{module}", __package__), f"{self.name}ForMaskedLM")

    @property
    def stock_class(self) -> Any:
        """transformers' own masked-LM class."""
        import transformers

        return getattr(transformers, f"{self.name}ForMaskedLM")

    def load(self, name: str) -> Any:
        """One of the classes of `modules`.

        Args:
            name (`str`): its name.
        """
        return getattr(importlib.import_module(f".{self.modules[name]}", __package__), name)


ARCHITECTURES = (
    Architecture(
        "XLMRoberta",
        "xlm-roberta",
        "XLMRobertaTokenizer",
        "XLMRobertaTokenizerFast",
        after_attention="XLMRobertaSelfOutput",
        counts_from_padding=True,
        published={"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    ),
    Architecture("Bert", "bert", "BertTokenizer", "BertTokenizerFast", after_attention="BertSelfOutput"),
    Architecture("ModernBert", "modernbert", None, "PreTrainedTokenizerFast", has_local_layers=True),
)


def find_architecture(model_type: str | None) -> Architecture | None:
    """The record of a model type, with language and script embeddings or without; `None` where there is none.

    Args:
        model_type (`str` or `None`): `config.model_type`.
    """
    stock = (model_type or "").removesuffix(_SUFFIX)
    return next((known for known in ARCHITECTURES if known.model_type == stock), None)


def known_types() -> str:
    """The stock model types, for errors: `bert, modernbert, xlm-roberta`."""
    return ", ".join(sorted(known.model_type for known in ARCHITECTURES))
