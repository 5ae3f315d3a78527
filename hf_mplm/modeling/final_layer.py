"""The feed-forward part of an encoder's last layer at the positions alone that the LM head asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


__all__ = ["can_narrow", "narrowed_final_layer"]

# What follows attention in a layer of BERT's shape. Adapters put classes of their own here, which may look elsewhere.
_AFTER_ATTENTION = {"BertSelfOutput", "XLMRobertaSelfOutput"}


def can_narrow(base: nn.Module) -> bool:
    """Whether the last layer of an encoder may compute some positions only, with nobody seeing the difference.

    It may in layers of BERT's shape (XLM-R, BERT), unless something watches the states of all positions (a forward
    hook on the layer or the encoder, `config.output_hidden_states`), the layer runs twice (gradient checkpointing), or
    its positions are cut into chunks (`config.chunk_size_feed_forward`).

    Args:
        base (`nn.Module`): the encoder.
    """
    config: Any = getattr(base, "config", None)
    layer = _final_layer(base)
    if layer is None or config.output_hidden_states or config.is_decoder or config.chunk_size_feed_forward:
        return False
    watched = any(module._forward_hooks for module in (base, base.get_submodule("encoder"), layer))
    return not (watched or layer.gradient_checkpointing or torch.compiler.is_compiling())


@contextmanager
def narrowed_final_layer(base: nn.Module, positions: torch.Tensor) -> Iterator[None]:
    """Let the encoder's `last_hidden_state` have some positions only, Shapes: (1, positions, hidden).

    Nothing reads the last layer's other states when only masked tokens are predicted, and nothing in that layer after
    its attention looks at another position: with 15% masked tokens, and the layer's attention as it was, this leaves
    out two thirds of the layer, forward and backward, and most of what it keeps for the backward pass. The states that
    remain are those of the whole layer; dropout, which is drawn for them alone, differs in its random numbers.

    Args:
        base (`nn.Module`): an encoder of which [`can_narrow`] is true.
        positions (`torch.Tensor`): indices into the flattened (batch * sequence). Shapes: (positions,).
    """
    layer: Any = _final_layer(base)

    def select(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(states.flatten(0, 1).index_select(0, positions)[None] for states in inputs)

    handle = layer.attention.output.register_forward_pre_hook(select)
    try:
        yield
    finally:
        handle.remove()


def _final_layer(base: nn.Module) -> Any:
    layers = getattr(getattr(base, "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList) or not len(layers):
        return None
    after_attention = getattr(getattr(layers[-1], "attention", None), "output", None)
    return layers[-1] if type(after_attention).__name__ in _AFTER_ATTENTION else None
