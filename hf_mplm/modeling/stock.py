"""transformers' own masked-LM classes with the loss at masked positions only: same weights, names and checkpoints.

The classes bear the names of those that they replace, so that every checkpoint says `XLMRobertaForMaskedLM`
(`BertForMaskedLM`, `ModernBertForMaskedLM`) and loads anywhere.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import torch
from transformers import AutoModelForMaskedLM, PreTrainedModel

from .architectures import ARCHITECTURES, find_architecture, known_types
from .masked_only_lm import KeptPooler, MaskedOnlyLM
from .reading import load_config, load_with_head


__all__ = ["load_masked_lm", "masked_only"]

logger = logging.getLogger(__name__)


def load_masked_lm(
    name_or_path: str | os.PathLike[str],
    *,
    dtype: torch.dtype = torch.float32,
    new_head: bool = False,
    trust_remote_code: bool = False,
    **kwargs: Any,
) -> PreTrainedModel:
    """Load a masked-LM checkpoint for training, with the loss at masked positions only.

    Known are XLM-R, BERT, ModernBERT, and the classes of this package; a checkpoint of any other architecture is
    loaded as transformers has it, with a warning.

    Args:
        name_or_path (`str` or `os.PathLike`): Hub id or folder of a checkpoint with its LM head.
        dtype (`torch.dtype`, *optional*, defaults to `torch.float32`):
            transformers 5 would take the checkpoint's own, in which training loses small updates.
        new_head (`bool`, *optional*, defaults to `False`): the checkpoint is an encoder that was saved without its LM
            head (E5, LaBSE, MiniLM, folders of sentence-transformers), which is made: transform at the identity,
            decoder tied, see [`~hf_mplm.modeling.new_head.give_identity_head`]. `model.new_head` describes it, and a
            trainer sets its bias by the training text.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with it may run.
        **kwargs: of `from_pretrained`: `revision`, `token`, `attn_implementation`, ...

    Returns:
        `PreTrainedModel`: the model, in eval mode as `from_pretrained` has it.

    Raises:
        ValueError: if the checkpoint lacks the LM head, or has one beside the new one, or asks to run code that is
            not trusted.
        DamagedError: if it cannot be read, or its configuration and its weights do not belong together.
    """
    config = load_config(name_or_path, trust_remote_code=trust_remote_code, **kwargs)
    known = find_architecture(config.model_type)
    if known is None:
        loader: Any = AutoModelForMaskedLM
    else:
        loader = known.fast_class if config.model_type == known.model_type else known.masked_lm_class
    if new_head:
        if known is None:
            raise ValueError(
                f"{name_or_path} is a {config.model_type} checkpoint, and new LM heads are made for {known_types()}"
            )
        config.tie_word_embeddings = True
        kwargs["config"] = config
    model = load_with_head(
        loader, name_or_path, dtype=dtype, new_head=new_head, trust_remote_code=trust_remote_code, **kwargs
    )
    return masked_only(model)


def masked_only(model: PreTrainedModel) -> PreTrainedModel:
    """Give a stock masked-LM model, in place, the loss at masked positions only.

    [`load_masked_lm`] is better where there is a checkpoint: a stock model has already dropped the checkpoint's
    pooler, and gets the seeded one here.

    Args:
        model (`PreTrainedModel`): a masked-LM model.

    Returns:
        `PreTrainedModel`: the same object. Of an unknown architecture it is unchanged, and a warning says so.
    """
    if isinstance(model, MaskedOnlyLM):
        return model
    known = next((one for one in ARCHITECTURES if type(model) is one.stock_class), None)
    if known is None:
        logger.warning(
            "%s has no masked-only loss here (known: %s, and the langscript classes); it trains with its own loss, "
            "which computes logits for every token",
            type(model).__name__,
            known_types(),
        )
        return model
    model.__class__ = known.fast_class
    base: Any = model.base_model
    if getattr(base, "pooler", base) is None:
        with torch.device(model.device):
            base.pooler = KeptPooler(model.config.hidden_size)
        base.pooler.draw(model.config.initializer_range)
        base.pooler.to(model.dtype)
    return model
