"""An LM head for an encoder that was saved without one (E5, LaBSE, MiniLM, folders of sentence-transformers)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel


__all__ = [
    "NewHead",
    "give_identity_head",
    "head_parameters",
    "refuse_partial_head",
    "set_unigram_bias",
    "transform_parts",
]

_SAMPLES = 512
# GELU differs from the identity by less than 4e-5 of its argument beyond this, and other such functions by little.
_LINEAR_FROM = 5.0
# How many standard deviations of a state's numbers are to lie beyond it.
_DEVIATIONS = 6.0
# Around 0, GELU is half its argument and, of a number this small, within two hundredths of that.
_SMALL = 0.02


@dataclass
class NewHead:
    """What was made of the head of a model, which holds it in `new_head`.

    Attributes:
        closeness (`float`): mean cosine of random states, normed as the encoder's last layer does it, and what the
            head's transform makes of them, both less their means; 1 where the transform is the identity.
        has_bias (`bool`): whether the decoder's bias has been set to what [`set_unigram_bias`] makes of text.
    """

    closeness: float
    has_bias: bool = False

    def describe(self) -> str:
        """What was made, in a sentence, for logs and cards."""
        bias = "log-probabilities of its tokens in the training text" if self.has_bias else "0"
        return (
            f"new: transform at the identity (mean cosine {self.closeness:.4f} with it), decoder tied to the "
            f"embeddings, bias {bias}"
        )


def head_parameters(model: PreTrainedModel) -> list[nn.Parameter]:
    """What a masked-LM model trains beside its encoder, of which the tied decoder is a part: the head, and tables of
    languages and scripts.

    Args:
        model (`PreTrainedModel`): a masked-LM model.
    """
    of_encoder = {id(parameter) for parameter in model.base_model.parameters()}
    return [parameter for parameter in model.parameters() if id(parameter) not in of_encoder]


def refuse_partial_head(model: PreTrainedModel, missing: list[str], name_or_path: object) -> None:
    """See that a checkpoint has nothing of the head that is to be made.

    Args:
        model (`PreTrainedModel`): as loaded.
        missing (`list[str]`): the weights that the checkpoint lacks.
        name_or_path (`str` or `os.PathLike`): how errors call it.

    Raises:
        ValueError: if it has a head, or a part of one, or lacks more than that.
    """
    prefix = f"{model.base_model_prefix}."
    if lost := sorted(key for key in missing if key.startswith(prefix)):
        raise ValueError(
            f"{name_or_path} lacks {', '.join(lost[:4])}{', ...' if len(lost) > 4 else ''}, which is no part of an LM "
            "head; a new head is for an encoder that is whole"
        )
    dense, norm = transform_parts(model)
    own = {id(parameter) for part in (dense, norm) for parameter in part.parameters()}
    names = [name for name, parameter in model.named_parameters() if id(parameter) in own]
    found = sorted(set(names) - set(missing))
    if found:
        raise ValueError(
            f"{name_or_path} has {'an LM head' if len(found) == len(names) else f'a part of an LM head ({found[0]})'} "
            "already, which a new one would replace; leave --new_lm_head (new_head=True) out"
        )


@torch.no_grad()
def give_identity_head(model: PreTrainedModel) -> NewHead:
    """Set the transform of a model's LM head, in place, as near to the identity as it can be, and its bias to 0.

    What masked positions then predict is how near their states are to the embeddings of tokens, which is the best
    guess of an encoder that was not asked to predict for a long time. How near to the identity depends on the head:

    - XLM-R and BERT (dense, GELU, LayerNorm): the dense layer adds a constant that lifts all numbers to where GELU is
      the identity, and the LayerNorm takes the constant off again. What is left is the LayerNorm's own work: each
      state is centred and has its length set to what the last layer's weights make it on average. Exact up to these
      two numbers a token (cosine 1 with the centred state, in single precision).
    - ModernBERT (dense and norm without biases): nothing can be added, so the dense layer makes states small, where
      GELU is nearly linear, and the norm makes them long again; a mean cosine of 0.9997 at widths of 384 to 1,024.

    `NewHead.closeness` is measured and not assumed, also for other activations.

    Args:
        model (`PreTrainedModel`): a masked-LM model of this package, see [`~hf_mplm.modeling.load_masked_lm`].

    Returns:
        [`NewHead`]: which the model holds in `new_head`, too.

    Raises:
        ValueError: if the head has not one dense layer and one LayerNorm beside its decoder.
    """
    any_model: Any = model
    dense, norm = transform_parts(model)
    last: Any = [part for part in model.base_model.modules() if isinstance(part, nn.LayerNorm)][-1]
    width = dense.out_features
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(_SAMPLES, width, generator=generator).to(last.weight)
    states = last(drawn)
    centred = states - states.mean(-1, keepdim=True)
    typical = centred.pow(2).mean().sqrt()
    if dense.bias is not None:
        dense.weight.copy_(torch.eye(width))
        largest = (last.bias.abs() if last.bias is not None else 0) + _DEVIATIONS * last.weight.abs()
        dense.bias.fill_(float(largest.max()) + _LINEAR_FROM)
    else:
        dense.weight.copy_(torch.eye(width) * (_SMALL / typical))
    norm.weight.fill_(1.0)
    if norm.bias is not None:
        norm.bias.zero_()
    made = any_model._transform(states)
    norm.weight.fill_(float((centred * made).sum() / made.pow(2).sum()))
    if norm.bias is not None:
        norm.bias.fill_(float(states.mean()))
    for bias in _biases(model):
        bias.zero_()
    found = NewHead(float(nn.functional.cosine_similarity(centred, made, dim=-1).mean()))
    any_model.new_head = found
    return found


@torch.no_grad()
def set_unigram_bias(model: PreTrainedModel, counts: torch.Tensor) -> None:
    """Set the decoder's bias, in place, to log-probabilities of tokens, so that only what context tells is left.

    Args:
        model (`PreTrainedModel`): a masked-LM model; one without such a bias stays as it is.
        counts (`torch.Tensor`): how often each id was seen; 1 is added to each. Shapes: (ids,).

    Raises:
        ValueError: if there are more ids than the model has rows.
    """
    for bias in _biases(model):
        if len(counts) > len(bias):
            raise ValueError(f"{len(counts):,} ids were counted, and the model has {len(bias):,}")
        seen = torch.zeros(len(bias), dtype=torch.float64)
        seen[: len(counts)] = counts.double()
        bias.copy_(((seen + 1) / (seen + 1).sum()).log())


def transform_parts(model: PreTrainedModel) -> tuple[nn.Linear, nn.LayerNorm]:
    """The dense layer and the LayerNorm of an LM head, whose output is what its decoder is given.

    Args:
        model (`PreTrainedModel`): a masked-LM model of this package.

    Raises:
        ValueError: if its head is another one.
    """
    inside = {id(part) for part in model.base_model.modules()}
    decoder = model.get_output_embeddings()
    parts = [part for part in model.modules() if id(part) not in inside and part is not decoder]
    dense = [part for part in parts if isinstance(part, nn.Linear)]
    norms = [part for part in parts if isinstance(part, nn.LayerNorm)]
    if not hasattr(model, "_transform") or len(dense) != 1 or len(norms) != 1:
        raise ValueError(
            f"the LM head of {type(model).__name__} is not known here, but those of XLM-R, BERT and ModernBERT alone"
        )
    return dense[0], norms[0]


def _biases(model: PreTrainedModel) -> list[torch.Tensor]:
    """The decoder's bias, once or, where the module around it has a copy, twice."""
    decoder: Any = model.get_output_embeddings()
    around = [part for part in model.modules() if getattr(part, "decoder", None) is decoder]
    found = {id(bias): bias for part in (decoder, *around) if (bias := getattr(part, "bias", None)) is not None}
    return list(found.values())
