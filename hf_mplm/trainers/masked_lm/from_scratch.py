"""An encoder with random weights: for small models, and for comparing two methods from one start."""

from __future__ import annotations

import difflib
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.modeling.architectures import find_architecture
from hf_mplm.modeling.config_check import check_settings
from hf_mplm.modeling.stock import masked_only


__all__ = ["build_encoder"]


def build_encoder(
    tokenizer: PreTrainedTokenizerBase, *, seed: int = 0, model_type: str = "xlm-roberta", **settings: Any
) -> PreTrainedModel:
    """Make a masked language model with random weights, which `save_pretrained` writes as an ordinary checkpoint.

    The weights depend on the seed, the settings and the version of transformers; the random state is left as it was.

    Args:
        tokenizer (`transformers.PreTrainedTokenizerBase`): gives the size of the vocabulary and the special tokens.
        seed (`int`, *optional*, defaults to 0): seed of the weights.
        model_type (`str`, *optional*, defaults to `"xlm-roberta"`): any architecture with a masked-LM model.
        **settings: of the architecture's configuration, such as `hidden_size` and `num_hidden_layers`.

    Returns:
        `transformers.PreTrainedModel`: the model, in single precision, of the stock class of its architecture.

    Raises:
        ValueError: for an unknown architecture or setting, of which the nearest one is named, and for settings from
            which no model can be built, or none that this machine has the memory for.
    """
    known = set(AutoConfig.for_model(model_type).to_dict())
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise ValueError(f"{name} is no setting of a {model_type} configuration{hint}")
    ids = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id")
        for name in ("bos", "cls", "eos", "pad", "sep")
        if f"{name}_token_id" in known and getattr(tokenizer, f"{name}_token_id") is not None
    }
    architecture = find_architecture(model_type)
    published = {} if architecture is None else architecture.published
    settings = {"vocab_size": len(tokenizer), **published, **ids, **settings}
    check_settings(
        {"model_type": model_type, **settings},
        lambda what: ValueError(f"no {model_type} model can be built from these settings: {what}"),
    )
    try:
        config = AutoConfig.for_model(model_type, **settings)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = AutoModelForMaskedLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    except ValueError:
        raise
    except Exception as error:
        # A setting that no check of ours knows; what an architecture raises for it is its own affair.
        raise ValueError(
            f"no {model_type} model can be built from these settings ({type(error).__name__}: {error}); they are "
            f"{settings}"
        ) from error
    return masked_only(model)
