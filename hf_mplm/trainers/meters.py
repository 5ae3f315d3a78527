"""Sums that stay on the device until something is logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch


if TYPE_CHECKING:
    from accelerate import Accelerator


__all__ = ["SumMeter"]


class SumMeter:
    """Named running sums of scalars, added up over ranks when they are read.

    Nothing is fetched from the device before [`~SumMeter.drain`], so that adding costs no synchronisation.
    """

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}

    def add(self, name: str, value: torch.Tensor) -> None:
        """Add a scalar.

        Args:
            name (`str`): which sum; all ranks must use the same names.
            value (`torch.Tensor`): what to add. Shape: ().
        """
        value = value.detach().to(torch.float32 if value.device.type == "mps" else torch.float64)
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def drain(self, accelerator: Accelerator) -> dict[str, float]:
        """Read the sums over all ranks and start from zero; every rank must call it at the same time.

        Args:
            accelerator (`Accelerator`): what reduces over ranks.

        Returns:
            `dict[str, float]`: name to sum, by name.
        """
        if not self._sums:
            return {}
        names = sorted(self._sums)
        stacked = torch.stack([self._sums[name].reshape(()) for name in names])
        self._sums = {}
        return dict(zip(names, accelerator.reduce(stacked, reduction="sum").tolist()))
