"""Transfer between languages that the base has read and languages that it has not (Figure 8 of the paper)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from hf_mplm._lists import as_list

from .rows import PairTransfer


__all__ = ["SeenMean", "seen_means"]


class SeenMean(TypedDict):
    """The mean transfer score of `n` pairs, by whether the base has read the transfer language and the target."""

    task: str
    step: int
    transfer_language_seen: bool
    target_seen: bool
    ts: float
    positive: float
    n: int


def seen_means(table: Sequence[PairTransfer], seen: str | Sequence[str]) -> list[SeenMean]:
    """Take the means over seen and unseen languages.

    Args:
        table (`Sequence[PairTransfer]`): of `transfer_table`.
        seen (`str` or `Sequence[str]`): what the base was trained on.
    """
    known = set(as_list(seen))
    found: dict[tuple[str, int, bool, bool], list[float]] = defaultdict(list)
    for row in table:
        if row["ts"] is not None:
            key = row["task"], row["step"], row["transfer_language"] in known, row["target"] in known
            found[key].append(row["ts"])
    return [
        {
            "task": task,
            "step": step,
            "transfer_language_seen": donor,
            "target_seen": target,
            "ts": float(np.mean(values)),
            "positive": float((np.array(values) > 0).mean()),
            "n": len(values),
        }
        for (task, step, donor, target), values in sorted(found.items())
    ]
