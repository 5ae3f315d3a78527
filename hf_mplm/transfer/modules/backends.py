"""The libraries that modules can be made with, by name."""

from __future__ import annotations

from transformers import PreTrainedModel

from .adapted_encoder import AdaptedEncoder
from .bottleneck_encoder import BottleneckEncoder
from .lora_encoder import LoraEncoder


__all__ = ["BACKENDS", "adapt_encoder"]

#: Name to what wraps an encoder so that it takes modules: bottlenecks of `adapters`, low-rank weights of `peft`.
BACKENDS: dict[str, type[AdaptedEncoder]] = {
    encoder.backend: encoder  # type: ignore[type-abstract]
    for encoder in (BottleneckEncoder, LoraEncoder)
}


def adapt_encoder(encoder: PreTrainedModel, backend: str) -> AdaptedEncoder:
    """Make an encoder ready for modules.

    Args:
        encoder (`PreTrainedModel`): a stock encoder, changed in place.
        backend (`str`): `"adapters"` or `"peft"`.

    Returns:
        `AdaptedEncoder`: the encoder without any module.

    Raises:
        ImportError: if the library is not installed.
        ValueError: if there is no such backend, or it does not know the architecture.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend {backend!r} is not known; choose of {', '.join(BACKENDS)}")
    return BACKENDS[backend](encoder)
