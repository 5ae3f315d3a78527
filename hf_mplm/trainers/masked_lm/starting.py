"""What a run starts from: a checkpoint as it is, or with the embeddings of LangSAMP added."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedModel

from hf_mplm import modeling
from hf_mplm.modeling.stock import load_masked_lm


__all__ = ["load_for_method"]

_CLASSES = {
    "bert": "BertForLangScriptMLM",
    "modernbert": "ModernBertForLangScriptMLM",
    "xlm-roberta": "XLMRobertaForLangScriptMLM",
}


def load_for_method(
    name_or_path: str | Path,
    *,
    method: str,
    languages: Sequence[str],
    use_language_embeddings: bool = True,
    use_script_embeddings: bool = True,
    add_languages: bool = False,
) -> PreTrainedModel:
    """Load a masked-LM checkpoint for a method of pretraining.

    Args:
        name_or_path (`str` or `Path`): a folder or an id on the Hub.
        method (`str`): `"langsamp"` or `"mlm"`.
        languages (`Sequence[str]`): the store's codes, such as `swh_Latn`.
        use_language_embeddings (`bool`, *optional*, defaults to `True`): LangSAMP's table of languages.
        use_script_embeddings (`bool`, *optional*, defaults to `True`): LangSAMP's table of scripts.
        add_languages (`bool`, *optional*, defaults to `False`): grow the tables of a model that has them already.

    Returns:
        `transformers.PreTrainedModel`: the model, in single precision.

    Raises:
        ValueError: when the method is unknown or does not know the architecture.
    """
    if method not in ("langsamp", "mlm"):
        raise ValueError(f"{method!r} is no method of pretraining; give langsamp or mlm")
    model_type = AutoConfig.from_pretrained(name_or_path).model_type
    if model_type.endswith("-langscript"):
        if method == "mlm":
            raise ValueError(
                f"{name_or_path} has LangSAMP's embeddings already; --method langsamp goes on with them, and "
                "`model.export_encoder` takes them off"
            )
        model: Any = load_masked_lm(name_or_path)
        if add_languages:
            model.add_languages(languages)
        return model
    if method == "mlm":
        return load_masked_lm(name_or_path)
    if model_type not in _CLASSES:
        raise ValueError(
            f"{name_or_path} is a {model_type} checkpoint, and LangSAMP is here for {', '.join(sorted(_CLASSES))}; "
            "--method mlm trains any masked language model"
        )
    if not (use_language_embeddings or use_script_embeddings):
        raise ValueError("LangSAMP without languages and without scripts is the baseline: --method mlm")
    return getattr(modeling, _CLASSES[model_type]).from_encoder(
        name_or_path,
        languages=languages,
        use_language_embeddings=use_language_embeddings,
        use_script_embeddings=use_script_embeddings,
    )
