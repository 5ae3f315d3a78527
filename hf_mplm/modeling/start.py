"""Making a model with language and script embeddings from a stock masked-LM checkpoint."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch

from .configuration_langscript import LangScriptConfigMixin, listed, split_codes
from .langscript import PROVENANCE
from .reading import load_config, load_with_head


__all__ = ["start_from_encoder"]


def start_from_encoder(
    cls: Any,
    name_or_path: str | os.PathLike[str],
    languages: str | Sequence[str],
    scripts: str | Sequence[str] | None,
    *,
    use_language_embeddings: bool,
    use_script_embeddings: bool,
    dtype: torch.dtype,
    new_head: bool = False,
    trust_remote_code: bool = False,
    **kwargs: Any,
) -> Any:
    """See [`LangScriptLM.from_encoder`], of which this is the body.

    Args:
        cls (subclass of [`LangScriptLM`]): the class of the model.
        name_or_path (`str` or `os.PathLike`): Hub id or folder of a checkpoint with its LM head.
        languages (`str` or `Sequence[str]`): language-scripts like `eng_Latn`; or, with `scripts`, languages like
            `eng`.
        scripts (`str` or `Sequence[str]`, *optional*): scripts like `Latn`, where `languages` holds none.
        use_language_embeddings (`bool`): see the configuration.
        use_script_embeddings (`bool`): see the configuration.
        dtype (`torch.dtype`): of the weights.
        new_head (`bool`, *optional*, defaults to `False`): make the LM head that the checkpoint lacks.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with it may run.
        **kwargs: of `from_pretrained`: `revision`, `token`, ...

    Returns:
        the model, in eval mode.

    Raises:
        ValueError: if the checkpoint is of another architecture, lacks the LM head or asks to run code.
        DamagedError: if it cannot be read.
    """
    found_languages, found_scripts = split_codes(languages)
    found_scripts = list(dict.fromkeys([*found_scripts, *listed(scripts or [])]))
    source = load_config(name_or_path, trust_remote_code=trust_remote_code, **kwargs)
    stock = cls.stock_config_class
    if source.model_type != stock.model_type:
        if isinstance(source, LangScriptConfigMixin):
            advice = "load it with from_pretrained and call add_languages"
        else:
            advice = f"{cls.__name__} starts from {stock.model_type!r}; choose the class of its architecture"
        raise ValueError(f"{name_or_path} is a {source.model_type!r} checkpoint: {advice}")
    settings = {name: value for name, value in source.to_dict().items() if name not in PROVENANCE}
    config = cls.config_class(
        languages=found_languages,
        scripts=found_scripts,
        language_scripts=[code for code in dict.fromkeys(listed(languages)) if "_" in code],
        use_language_embeddings=use_language_embeddings,
        use_script_embeddings=use_script_embeddings,
        **settings,
    )
    # The tables are new by intention here and must not be reported as missing; anything else missing is an error.
    expected = [*(cls._keys_to_ignore_on_load_missing or []), r"^(language|script)_embeddings\."]
    members = {"_keys_to_ignore_on_load_missing": expected, "__module__": cls.__module__}
    if new_head:
        config.tie_word_embeddings = True
    expecting: Any = type(cls.__name__, (cls,), members)
    model = load_with_head(
        expecting,
        name_or_path,
        config=config,
        dtype=dtype,
        new_head=new_head,
        trust_remote_code=trust_remote_code,
        **kwargs,
    )
    model.__class__ = cls
    return model
