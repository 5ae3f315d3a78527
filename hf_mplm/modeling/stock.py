"""transformers' own masked-LM classes with the loss at masked positions only: same weights, names and checkpoints.

The classes bear the names of those that they replace, so that every checkpoint says `XLMRobertaForMaskedLM`
(`BertForMaskedLM`, `ModernBertForMaskedLM`) and loads anywhere.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForMaskedLM, BertModel, PreTrainedModel, XLMRobertaModel
from transformers.activations import gelu
from transformers.models.bert.modeling_bert import BertOnlyMLMHead
from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaLMHead

from .masked_only_lm import KeepsPooler, KeptPooler, MaskedOnlyLM


__all__ = ["BertForMaskedLM", "ModernBertForMaskedLM", "XLMRobertaForMaskedLM", "load_masked_lm", "masked_only"]

logger = logging.getLogger(__name__)


class XLMRobertaEncoder(KeepsPooler, XLMRobertaModel):  # type: ignore[misc]
    """XLM-R's encoder inside a masked-LM class, with its pooler kept."""


class BertEncoder(KeepsPooler, BertModel):  # type: ignore[misc]
    """BERT's encoder inside a masked-LM class, with its pooler kept."""


class XLMRobertaForMaskedLM(MaskedOnlyLM, transformers.XLMRobertaForMaskedLM):  # type: ignore[misc]
    """`transformers.XLMRobertaForMaskedLM` with the loss at masked positions only; see [`MaskedOnlyLM`].

    Args:
        config (`XLMRobertaConfig`): the configuration.
    """

    def __init__(self, config: Any) -> None:
        # Past the stock class, which would build another encoder.
        super(transformers.XLMRobertaForMaskedLM, self).__init__(config)
        self.roberta = XLMRobertaEncoder(config)
        self.lm_head = XLMRobertaLMHead(config)
        self.post_init()

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        return self.lm_head.layer_norm(gelu(self.lm_head.dense(states)))


class BertForMaskedLM(MaskedOnlyLM, transformers.BertForMaskedLM):  # type: ignore[misc]
    """`transformers.BertForMaskedLM` with the loss at masked positions only; see [`MaskedOnlyLM`].

    Args:
        config (`BertConfig`): the configuration.
    """

    def __init__(self, config: Any) -> None:
        super(transformers.BertForMaskedLM, self).__init__(config)
        self.bert = BertEncoder(config)
        self.cls = BertOnlyMLMHead(config)
        self.post_init()

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        return self.cls.predictions.transform(states)


class ModernBertForMaskedLM(MaskedOnlyLM, transformers.ModernBertForMaskedLM):  # type: ignore[misc]
    """`transformers.ModernBertForMaskedLM` with the loss at masked positions only; see [`MaskedOnlyLM`].

    Args:
        config (`ModernBertConfig`): the configuration.
    """

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        return self.head(states)


FAST_CLASSES = {"bert": BertForMaskedLM, "modernbert": ModernBertForMaskedLM, "xlm-roberta": XLMRobertaForMaskedLM}


def load_masked_lm(
    name_or_path: str | os.PathLike[str], *, dtype: torch.dtype = torch.float32, **kwargs: Any
) -> PreTrainedModel:
    """Load a masked-LM checkpoint for training, with the loss at masked positions only.

    Known are XLM-R, BERT, ModernBERT, and the classes of this package; a checkpoint of any other architecture is
    loaded as transformers has it, with a warning.

    Args:
        name_or_path (`str` or `os.PathLike`): Hub id or folder of a checkpoint with its LM head.
        dtype (`torch.dtype`, *optional*, defaults to `torch.float32`):
            transformers 5 would take the checkpoint's own, in which training loses small updates.
        **kwargs: of `from_pretrained`: `revision`, `token`, `attn_implementation`, ...

    Returns:
        `PreTrainedModel`: the model, in eval mode as `from_pretrained` has it.

    Raises:
        ValueError: if the checkpoint lacks the LM head.
    """
    hub = {name: kwargs[name] for name in ("revision", "token", "cache_dir", "subfolder") if name in kwargs}
    config = AutoConfig.from_pretrained(name_or_path, **hub)
    loader = FAST_CLASSES.get(config.model_type)
    if loader is not None:
        return loader.load_with_head(name_or_path, dtype=dtype, **kwargs)
    model = AutoModelForMaskedLM.from_pretrained(name_or_path, dtype=dtype, **kwargs)
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
    for fast in FAST_CLASSES.values():
        if type(model) is fast.__mro__[2]:
            break
    else:
        logger.warning(
            "%s has no masked-only loss here (known: %s, and the langscript classes); it trains with its own loss, "
            "which computes logits for every token",
            type(model).__name__,
            ", ".join(sorted(FAST_CLASSES)),
        )
        return model
    model.__class__ = fast
    base: Any = model.base_model
    if getattr(base, "pooler", base) is None:
        with torch.device(model.device):
            base.pooler = KeptPooler(model.config.hidden_size)
        base.pooler.draw(model.config.initializer_range)
        base.pooler.to(model.dtype)
    return model
