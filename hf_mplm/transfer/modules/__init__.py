"""Modules of tasks and of languages in an encoder: how they are put in, trained, written and read, on two libraries.

Imports `evaluation` and `jobs`, and nothing of the study.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .adapted_encoder import AdaptedEncoder
    from .backends import BACKENDS, adapt_encoder
    from .record import ModuleRecord
    from .task_module import TaskModule
    from .task_training import TrainingData, read_training_data, train_task_module

__all__ = [
    "BACKENDS",
    "AdaptedEncoder",
    "ModuleRecord",
    "TaskModule",
    "TrainingData",
    "adapt_encoder",
    "read_training_data",
    "train_task_module",
]

_NAMES = {
    "adapted_encoder": [
        "AdaptedEncoder",
    ],
    "backends": [
        "BACKENDS",
        "adapt_encoder",
    ],
    "record": [
        "ModuleRecord",
    ],
    "task_module": [
        "TaskModule",
    ],
    "task_training": [
        "TrainingData",
        "read_training_data",
        "train_task_module",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
