"""An encoder with random weights: for small models, and for comparing two methods from one start."""

from __future__ import annotations

import difflib
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.modeling.stock import masked_only


__all__ = ["build_encoder"]

# What XLM-R's published checkpoints have where its configuration class says otherwise.
_PUBLISHED: dict[str, dict[str, Any]] = {
    "xlm-roberta": {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
}


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
        ValueError: for an unknown architecture or setting; the nearest one is named.
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
    config = AutoConfig.for_model(
        model_type, vocab_size=len(tokenizer), **{**_PUBLISHED.get(model_type, {}), **ids, **settings}
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForMaskedLM.from_config(config, dtype=torch.float32)
    return masked_only(model)
