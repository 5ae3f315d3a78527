"""What a checkpoint holds: architectures, the masked-LM head, pooling. Names load when they are first used.

Flat. What travels with a checkpoint imports torch, transformers and its neighbours by `from .name`; the rest, which
makes, reads and trains checkpoints, may import `jobs` besides.
"""

from __future__ import annotations

import importlib
from typing import Any

from .architectures import ARCHITECTURES


_MODULE_OF = {
    **{name: module for architecture in ARCHITECTURES for name, module in architecture.modules.items()},
    "capture_layer": "pooling",
    "default_layer": "pooling",
    "encode_to_layer": "pooling",
    "extend_vocabulary": "vocabulary",
    "linear_cross_entropy": "masked_lm",
    "load_masked_lm": "stock",
    "masked_lm_loss": "masked_lm",
    "masked_only": "stock",
    "mean_pool": "pooling",
    "split_codes": "configuration_langscript",
    "truncated_encoder": "pooling",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
