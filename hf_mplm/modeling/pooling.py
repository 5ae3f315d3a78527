"""From an encoder to vectors: the states of one layer without computing the later ones, and their mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn
from transformers import PreTrainedModel


__all__ = [
    "capture_layer",
    "default_layer",
    "encode_to_layer",
    "layer_stack",
    "mean_pool",
    "truncated_encoder",
    "without_peft",
]


def default_layer(num_layers: int) -> int:
    """The layer that is pooled by default, two thirds of the depth: 8 of 12, 15 of 22, 16 of 24.

    LangSAMP, its baselines and Glot500 pool layer 8 of XLM-R's 12 for retrieval and similarity.

    Args:
        num_layers (`int`): `config.num_hidden_layers`.

    Returns:
        `int`: an index into `hidden_states`, in which 0 is the embeddings' output.
    """
    return round(2 / 3 * num_layers)


def mean_pool(hidden_states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean of the states that `mask` selects; zeros for a row without any.

    Args:
        hidden_states (`torch.Tensor`): Shapes: (batch, sequence, hidden).
        mask (`torch.Tensor`): Shapes: (batch, sequence); nonzero where a state counts.

    Returns:
        `torch.Tensor`: Shapes: (batch, hidden), in the dtype of `hidden_states`; summed in float32 at least.
    """
    if mask.shape != hidden_states.shape[:-1]:
        raise ValueError(
            f"a mask of shape {tuple(mask.shape)} does not fit states of shape {tuple(hidden_states.shape)}; "
            f"give a mask of shape {tuple(hidden_states.shape[:-1])}"
        )
    selected = mask.bool()
    precise = torch.promote_types(hidden_states.dtype, torch.float32)
    # masked_fill rather than a product: 0 * inf would make the whole row NaN.
    total = hidden_states.to(precise).masked_fill(~selected.unsqueeze(-1), 0).sum(1)
    return (total / selected.sum(1, keepdim=True).clamp(min=1)).to(hidden_states.dtype)


def encode_to_layer(model: PreTrainedModel, inputs: Mapping[str, torch.Tensor], layer: int) -> torch.Tensor:
    """`hidden_states[layer]` of an encoder, bit for bit, without the layers after it.

    Args:
        model (`PreTrainedModel`): an encoder, with or without a head (the head takes no part).
        inputs (`Mapping`): keyword arguments of the encoder's forward: `input_ids`, `attention_mask`, ...
        layer (`int`): 0 (the embeddings' output) to the depth; at full depth the final-normed states.

    Returns:
        `torch.Tensor`: Shapes: (batch, sequence, hidden).
    """
    with truncated_encoder(model, layer) as encoder:
        return encoder(**inputs, return_dict=True).last_hidden_state


@contextmanager
def truncated_encoder(model: PreTrainedModel, layer: int) -> Iterator[PreTrainedModel]:
    """An encoder that ends at `layer`: its `last_hidden_state` is the whole one's `hidden_states[layer]`.

    Layers, final norm and pooler are put back on leaving, whatever happened. The model must not be used by another
    thread meanwhile.

    Args:
        model (`PreTrainedModel`): XLM-R, BERT, ModernBERT or another encoder that keeps its layers in `encoder.layer`
            or `layers`, with or without a head.
        layer (`int`): 0 (the embeddings' output) to the depth; at full depth the final-normed states.

    Yields:
        `PreTrainedModel`: the base model.

    Raises:
        ValueError: if there is no such layer, or the architecture's layers are not found.
    """
    base = cast(PreTrainedModel, without_peft(model).base_model)
    owner, name = layer_stack(base)
    layers = getattr(owner, name)
    _check_layer(layer, len(layers))
    swapped: list[tuple[nn.Module, str, nn.Module | None]] = [(owner, name, layers)]
    try:
        setattr(owner, name, nn.ModuleList(list(layers)[:layer]))
        # The pooler's output is not asked for. The final norm belongs to the last layer's output alone.
        for part, replacement in (("pooler", None), ("final_norm", nn.Identity())):
            if part in base._modules and (part == "pooler" or layer < len(layers)):
                swapped.append((base, part, base._modules[part]))
                setattr(base, part, replacement)
        yield base
    finally:
        for module, attribute, value in swapped:
            setattr(module, attribute, value)


@contextmanager
def capture_layer(model: PreTrainedModel, layer: int) -> Iterator[list[torch.Tensor]]:
    """Keep `hidden_states[layer]` of the forward passes inside, with their graphs, in the dtype they are computed in.

    `output_hidden_states=True` would hand over every layer, each copied to single precision under mixed precision.

    Args:
        model (`PreTrainedModel`): an encoder, with or without a head; it may run inside a wrapper such as DDP.
        layer (`int`): 0 (the embeddings' output) to the depth; at full depth the final-normed states.

    Yields:
        `list[torch.Tensor]`: grows by one tensor a forward pass. Shapes: (batch, sequence, hidden).

    Raises:
        ValueError: if there is no such layer, or the architecture's layers are not found.
    """
    base = cast(PreTrainedModel, without_peft(model).base_model)
    owner, name = layer_stack(base)
    layers = getattr(owner, name)
    _check_layer(layer, len(layers))
    module: nn.Module = base
    if layer < len(layers):
        module = layers[layer - 1] if layer else base.get_submodule("embeddings")
    captured: list[torch.Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Any) -> None:
        captured.append(output if isinstance(output, torch.Tensor) else output[0])

    handle = module.register_forward_hook(keep)
    try:
        yield captured
    finally:
        handle.remove()


def without_peft(model: Any) -> Any:
    """The model that a PEFT model was made of, adapters in its layers included; any other model as it is.

    Args:
        model (`nn.Module`): a `PeftModel`, or a model of transformers.
    """
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _check_layer(layer: int, depth: int) -> None:
    if not 0 <= layer <= depth:
        raise ValueError(f"layer {layer} does not exist: the model has the layers 0 (embeddings) to {depth}")


def layer_stack(base: nn.Module) -> tuple[nn.Module, str]:
    """The module that holds an encoder's layers, and the name of their list in it.

    Args:
        base (`nn.Module`): the encoder without its head.

    Raises:
        ValueError: if the architecture's layers are not found.
    """
    for owner, name in ((base._modules.get("encoder"), "layer"), (base, "layers")):
        if owner is not None and isinstance(owner._modules.get(name), nn.ModuleList):
            return owner, name
    raise ValueError(
        f"{type(base).__name__} keeps its layers neither in `encoder.layer` nor in `layers`; "
        "use `model(..., output_hidden_states=True).hidden_states[layer]` instead"
    )
