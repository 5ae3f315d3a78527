"""The feed-forward part of an encoder's last layer at the positions alone that the LM head asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as registry

from .architectures import ARCHITECTURES


__all__ = [
    "all_modules_are_watched",
    "can_narrow",
    "is_compiled",
    "is_recomputed",
    "is_watched",
    "narrowed_final_layer",
]

# What follows attention in a layer of BERT's shape. Adapters put classes of their own here, which may look elsewhere.
_AFTER_ATTENTION = {known.after_attention for known in ARCHITECTURES if known.after_attention}
_GLOBAL = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)


def can_narrow(base: nn.Module) -> bool:
    """Whether the last layer of an encoder may compute some positions only, with nobody seeing the difference.

    It may in layers of BERT's shape (XLM-R, BERT), unless something watches the states of all positions (a hook on the
    encoder, the layer or a part of it or on all modules, `config.output_hidden_states`), the layer runs twice
    (gradient checkpointing) or as compiled code, or its positions are cut into chunks
    (`config.chunk_size_feed_forward`).

    Args:
        base (`nn.Module`): the encoder.
    """
    config: Any = getattr(base, "config", None)
    layer = _final_layer(base)
    if layer is None or config.output_hidden_states or config.is_decoder or config.chunk_size_feed_forward:
        return False
    parts = [base, base.get_submodule("encoder"), *layer.modules()]
    if all_modules_are_watched() or any(is_watched(part, ours=__name__) or is_compiled(part) for part in parts):
        return False
    return not is_recomputed(base) and not torch.compiler.is_compiling()


def is_recomputed(model: nn.Module) -> bool:
    """Whether parts of a model run once more in the backward pass, out of reach of a context around the forward one.

    Args:
        model (`nn.Module`): with transformers' gradient checkpointing, or torch's wrapper for it.
    """
    return any(
        getattr(module, "gradient_checkpointing", False) or "Checkpoint" in type(module).__name__
        for module in model.modules()
    )


def is_watched(module: nn.Module, ours: str = "") -> bool:
    """Whether a module has hooks of any kind.

    Args:
        module (`nn.Module`): the module.
        ours (`str`, *optional*): name of a module of code whose forward pre-hooks do not count.
    """
    hooks = [*module._forward_hooks.values(), *module._backward_hooks.values(), *module._backward_pre_hooks.values()]
    hooks += [hook for hook in module._forward_pre_hooks.values() if not ours or _home(hook) != ours]
    # transformers 5 leaves these in place once hidden states were asked for; they are idle unless that is so again.
    return any("output_capturing_hook" not in getattr(hook, "__qualname__", "") for hook in hooks)


def all_modules_are_watched() -> bool:
    """Whether hooks are registered on all modules there are, as profilers and counters of operations do."""
    return any(getattr(registry, name, None) for name in _GLOBAL)


def _home(hook: Any) -> str:
    return str(getattr(hook, "__module__", ""))


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
    thread = threading.get_ident()

    def select(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        # Other threads may be using the same weights for texts of their own.
        if threading.get_ident() != thread:
            return None
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


def is_compiled(module: nn.Module) -> bool:
    """Whether a module runs as compiled code.

    Args:
        module (`nn.Module`): the module.
    """
    # Compiled code does not look again whether hooks came or went.
    return getattr(module, "_compiled_call_impl", None) is not None or hasattr(module, "_orig_mod")
