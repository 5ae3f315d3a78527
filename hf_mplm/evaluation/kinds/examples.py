"""What a fine-tuning task gives to the model, and gets back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .finetuning import Row


__all__ = ["Features", "Scores"]


class Features(NamedTuple):
    """What the model is given.

    Args:
        rows (`list[dict]`): Tokenised rows with at least `input_ids`; one or more an example.
        n_skipped (`int`, *optional*, defaults to 0): Items that could not be turned into rows.
    """

    rows: list[Row]
    n_skipped: int = 0


class Scores(NamedTuple):
    """What came of it.

    Args:
        metrics (`Mapping[str, float]`): Metric to value, as fractions.
        n (`int`): Items scored.
        n_skipped (`int`, *optional*, defaults to 0): Items that could not be scored.
    """

    metrics: Mapping[str, float]
    n: int
    n_skipped: int = 0
