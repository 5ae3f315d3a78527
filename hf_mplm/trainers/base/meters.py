"""Sums between two lines of the log, which stay on the device until the line is written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from .counting import attended_tokens


if TYPE_CHECKING:
    from accelerate import Accelerator


__all__ = ["LogWindow", "SumMeter"]


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


class LogWindow:
    """What happened since the last line of the log: the loss's terms, tokens, and the seconds that they took."""

    def __init__(self) -> None:
        self._terms, self._tokens = SumMeter(), SumMeter()
        self._started, self._idle = time.perf_counter(), 0.0
        self.step = 0

    def note(self, terms: Mapping[str, torch.Tensor], inputs: dict[str, Any]) -> None:
        """Add a micro-batch.

        Args:
            terms (`Mapping[str, torch.Tensor]`): the terms of its loss. Shapes: ().
            inputs (`dict`): the batch.
        """
        for name, term in terms.items():
            self._terms.add(f"{name}_loss", term)
        tokens = attended_tokens(inputs)
        if tokens is not None:
            self._tokens.add("tokens", tokens)

    def rest(self, seconds: float) -> None:
        """Leave out time that was not training: an evaluation, a checkpoint."""
        self._idle += seconds

    def close(self, accelerator: Accelerator, step: int, first_step: int) -> dict[str, float]:
        """Means over the window, over steps and ranks, and tokens per second; a new window begins.

        Args:
            accelerator (`Accelerator`): what reduces over ranks; every rank must call it at the same time.
            step (`int`): steps done.
            first_step (`int`): the step from which training was started or resumed.

        Returns:
            `dict[str, float]`: `TERM_loss` of each term, and `tokens_per_second`.
        """
        steps = step - max(self.step, first_step)
        sums, tokens = self._terms.drain(accelerator), self._tokens.drain(accelerator)
        now = time.perf_counter()
        seconds = max(now - self._started - self._idle, 1e-9)
        self._started, self._idle, self.step = now, 0.0, step
        means = {name: total / accelerator.num_processes / max(steps, 1) for name, total in sums.items()}
        return means | {f"{name}_per_second": count / seconds for name, count in tokens.items()}
