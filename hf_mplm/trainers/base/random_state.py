"""Leave training as it was: random states and train/eval modes around anything that happens between two steps."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


__all__ = ["preserve_training_state"]


@contextmanager
def preserve_training_state(*models: nn.Module) -> Iterator[None]:
    """Restore random states and modes on leaving, so that what runs inside changes nothing in training.

    Covers Python, NumPy, torch on the CPU and on every CUDA device, and the `training` flag of every submodule.

    Args:
        *models (`torch.nn.Module`): modules whose modes are restored.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    modes = [(module, module.training) for model in models for module in model.modules()]
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        if cuda_states:
            torch.cuda.set_rng_state_all(cuda_states)
        for module, training in modes:
            # Not `train()`, which would descend and undo what was restored before.
            module.training = training
