"""What a run starts from: a checkpoint as it is, or with the embeddings of LangSAMP added."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from hf_mplm.modeling.architectures import find_architecture, known_types
from hf_mplm.modeling.reading import load_config
from hf_mplm.modeling.stock import load_masked_lm


__all__ = ["load_for_method"]


def load_for_method(
    name_or_path: str | Path,
    *,
    method: str,
    languages: str | Sequence[str],
    use_language_embeddings: bool = True,
    use_script_embeddings: bool = True,
    add_languages: bool = False,
    new_lm_head: bool = False,
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """Load a masked-LM checkpoint for a method of pretraining.

    Args:
        name_or_path (`str` or `Path`): a folder or an id on the Hub.
        method (`str`): `"langsamp"` or `"mlm"`.
        languages (`str` or `Sequence[str]`): the store's codes, such as `swh_Latn`.
        use_language_embeddings (`bool`, *optional*, defaults to `True`): LangSAMP's table of languages.
        use_script_embeddings (`bool`, *optional*, defaults to `True`): LangSAMP's table of scripts.
        add_languages (`bool`, *optional*, defaults to `False`): grow the tables of a model that has them already.
        new_lm_head (`bool`, *optional*, defaults to `False`): make the LM head of an encoder saved without one.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with it may run.

    Returns:
        `transformers.PreTrainedModel`: the model, in single precision.

    Raises:
        ValueError: when the method is unknown or does not know the architecture, or code would have to run.
        DamagedError: when the checkpoint cannot be read.
    """
    if method not in ("langsamp", "mlm"):
        raise ValueError(f"{method!r} is no method of pretraining; give langsamp or mlm")
    model_type = load_config(name_or_path, trust_remote_code=trust_remote_code).model_type
    known = find_architecture(model_type)
    if known is not None and model_type == known.langscript_type:
        if method == "mlm":
            raise ValueError(
                f"{name_or_path} has LangSAMP's embeddings already; --method langsamp goes on with them, and "
                "`model.export_encoder` takes them off"
            )
        model: Any = load_masked_lm(name_or_path, new_head=new_lm_head)
        if add_languages:
            model.add_languages(languages)
        return model
    if method == "mlm":
        return load_masked_lm(name_or_path, new_head=new_lm_head, trust_remote_code=trust_remote_code)
    if known is None:
        raise ValueError(
            f"{name_or_path} is a {model_type} checkpoint, and LangSAMP is here for {known_types()}; --method mlm "
            "trains any masked language model"
        )
    if not (use_language_embeddings or use_script_embeddings):
        raise ValueError("LangSAMP without languages and without scripts is the baseline: --method mlm")
    start: PreTrainedModel = known.masked_lm_class.from_encoder(
        name_or_path,
        languages=languages,
        use_language_embeddings=use_language_embeddings,
        use_script_embeddings=use_script_embeddings,
        new_head=new_lm_head,
    )
    return start
