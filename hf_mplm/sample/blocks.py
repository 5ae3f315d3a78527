"""Weights in blocks of 4 bits, and back.

The layout is that of GGML's Q4_0: 32 weights beside each other share a scale, and each is one of 16 steps of it. The
scale is an eighth of the weight of the largest magnitude, with its sign turned, so that weights that were rounded this
way before come back bit for bit.
"""

from __future__ import annotations

import numpy as np


__all__ = ["BLOCK", "from_blocks", "to_blocks"]

BLOCK = 32
"""Weights that share a scale."""

_STEPS = 8


def to_blocks(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round a matrix to 4 bits a weight.

    Args:
        weights (`np.ndarray`): Shape: (rows, columns), columns being a multiple of 32.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: the scales, and two weights a byte, of a block's first half in the low bits.
        Shapes: (rows, columns / 32), float16, and (rows, columns / 2), uint8.

    Raises:
        ValueError: if the columns do not make whole blocks.
    """
    rows, columns = weights.shape
    if columns % BLOCK:
        raise ValueError(f"a matrix of {columns} columns was given; needed is a multiple of {BLOCK}")
    blocks = weights.astype(np.float32).reshape(rows, columns // BLOCK, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1, keepdims=True), -1)
    scales = (largest / -_STEPS + 0.0).astype(np.float16)  # a block of zeros has the scale 0.0, not -0.0
    divisors = np.where(scales == 0, 1, scales).astype(np.float32)
    steps = np.clip(np.rint(blocks / divisors) + _STEPS, 0, 2 * _STEPS - 1).astype(np.uint8)
    low, high = np.split(steps, 2, axis=-1)
    return scales[..., 0], (low | high << 4).reshape(rows, columns // 2)


def from_blocks(scales: np.ndarray, packed: np.ndarray) -> np.ndarray:
    """The matrix that [`to_blocks`] rounded.

    Args:
        scales (`np.ndarray`): Shape: (rows, columns / 32), float16.
        packed (`np.ndarray`): Shape: (rows, columns / 2), uint8.

    Returns:
        `np.ndarray`: Shape: (rows, columns), float32.
    """
    halves = packed.reshape(*scales.shape, BLOCK // 2)
    steps = np.concatenate([halves & 15, halves >> 4], axis=-1).astype(np.float32) - _STEPS
    return (steps * scales.astype(np.float32)[..., None]).reshape(len(scales), -1)
