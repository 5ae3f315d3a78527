"""A safetensors file written row by row, so that memory holds a block of it and not the whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import IO

import numpy as np


__all__ = ["write_vectors"]

BLOCK_BYTES = 1 << 24
"""Vectors that are written at a time."""


def write_vectors(handle: IO[bytes], tables: Sequence[np.ndarray], name: str = "vectors") -> None:
    """Write tables one below the other as one float32 tensor, the same bytes as `safetensors.numpy.save`.

    Args:
        handle (`IO[bytes]`): where to.
        tables (`Sequence[np.ndarray]`): of equal width; they may be mapped into memory. Shape of each: (rows,
            dimensions).
        name (`str`, *optional*, defaults to `"vectors"`): of the tensor.
    """
    shape = [sum(map(len, tables)), tables[0].shape[1]]
    about = {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * shape[0] * shape[1]]}}
    header = json.dumps(about, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    handle.write(len(header).to_bytes(8, "little") + header)
    rows = max(1, BLOCK_BYTES // max(1, 4 * shape[1]))
    for table in tables:
        for start in range(0, len(table), rows):
            handle.write(np.ascontiguousarray(table[start : start + rows], dtype="<f4").data)
