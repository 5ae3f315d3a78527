"""Losses: tensors in, scalar and named parts out; a file each. Imports nothing of the package."""

from __future__ import annotations
