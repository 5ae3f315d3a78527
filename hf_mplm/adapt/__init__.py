"""From text in a language to an encoder that knows it: diagnosis, vocabulary, training and report.

Orchestrates what `prepare`, `tokenizer extend`, `pretrain`, `align-scripts`, `evaluate`, `audit` and
`sprachbund vectors` do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .job import AdaptJob
    from .settings import AdaptSettings

__all__ = [
    "AdaptJob",
    "AdaptSettings",
]

_NAMES = {
    "job": [
        "AdaptJob",
    ],
    "settings": [
        "AdaptSettings",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
