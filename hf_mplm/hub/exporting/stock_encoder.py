"""An encoder of which the layers after the one that is pooled are gone, as transformers alone loads it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.evaluation.loading import load_model, load_tokenizer
from hf_mplm.modeling.architectures import find_architecture
from hf_mplm.modeling.langscript import PROVENANCE
from hf_mplm.modeling.pooling import default_layer


__all__ = ["StockEncoder", "load_stock_encoder", "save_tokenizer"]

# What a tokenizer was made from, which transformers 5 writes no more.
_SENTENCEPIECE = "sentencepiece.bpe.model"

_OWN = ("hf_mplm_version", "languages", "scripts", "use_language_embeddings", "use_script_embeddings")


class StockEncoder(NamedTuple):
    """What is exported.

    Args:
        model (`PreTrainedModel`): The encoder in float32, of a class of transformers where its architecture is known.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        layer (`int`): The layer that is pooled, counted in the whole encoder.
        depth (`int`): The layers of the whole encoder.
        is_cut (`bool`): Whether `model` ends at that layer, so that its last hidden state is what is pooled. Elsewhere
            `hidden_states[layer]` is.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    layer: int
    depth: int
    is_cut: bool


def save_tokenizer(encoder: StockEncoder, folder: Path) -> None:
    """Write a tokenizer, with the SentencePiece model that it was made from where its own folder has one.

    Args:
        encoder (`StockEncoder`): The encoder.
        folder (`Path`): Where to.
    """
    encoder.tokenizer.save_pretrained(folder)
    source = Path(encoder.tokenizer.name_or_path) / _SENTENCEPIECE
    if source.is_file() and not (folder / _SENTENCEPIECE).exists():
        shutil.copyfile(source, folder / _SENTENCEPIECE)


def load_stock_encoder(
    model: str | Path, layer: int | None = None, *, revision: str | None = None, trust_remote_code: bool = False
) -> StockEncoder:
    """Load an encoder and leave out what stands after a layer, where the architecture allows it.

    In XLM-R and BERT an encoder of L layers gives `hidden_states[L]` bit for bit. ModernBERT's final norm would come
    behind whichever layer is last, so that it is cut at its full depth alone, which is no cut; nor is an architecture
    cut that is not known here.

    Args:
        model (`str` or `Path`): Hub id or folder of an encoder, with or without a head.
        layer (`int`, *optional*): Index into `hidden_states`; two thirds of the depth by default.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.

    Returns:
        `StockEncoder`: The encoder.

    Raises:
        ValueError: If there is no such layer.
        DamagedError: If it cannot be read.
    """
    # A checkpoint without a pooler gets one of random numbers, which nothing reads: the same each time.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loaded = load_model(model, revision=revision, trust_remote_code=trust_remote_code)
    tokenizer = load_tokenizer(model, revision=revision, trust_remote_code=trust_remote_code)
    depth = int(loaded.config.num_hidden_layers)
    chosen = default_layer(depth) if layer is None else layer
    if not 0 <= chosen <= depth:
        raise ValueError(f"layer {chosen} does not exist: {model} has the layers 0 (embeddings) to {depth}")
    known = find_architecture(loaded.config.model_type)
    if known is None:
        return StockEncoder(loaded, tokenizer, chosen, depth, is_cut=chosen == depth)
    is_cut = known.after_attention is not None or chosen == depth
    kept = chosen if is_cut else depth
    stock: Any = getattr(transformers, f"{known.name}Model")
    left_out = {*PROVENANCE, *_OWN}
    settings = {name: value for name, value in loaded.config.to_dict().items() if name not in left_out}
    with torch.device("meta"):
        encoder = stock(stock.config_class(**{**settings, "num_hidden_layers": kept}))
    weights = loaded.base_model.state_dict()
    encoder.load_state_dict({name: weights[name] for name in encoder.state_dict()}, assign=True)
    _fill_buffers(encoder, loaded.base_model)
    return StockEncoder(encoder.eval().requires_grad_(False), tokenizer, chosen, depth, is_cut)


def _fill_buffers(encoder: Any, whole: Any) -> None:
    """Give an encoder, made on the meta device, the buffers that no checkpoint holds, such as position ids."""
    for name, buffer in list(encoder.named_buffers()):
        if buffer.is_meta:
            owner, _, attribute = name.rpartition(".")
            encoder.get_submodule(owner).register_buffer(attribute, whole.get_buffer(name), persistent=False)
