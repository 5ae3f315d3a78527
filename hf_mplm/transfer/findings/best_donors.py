"""How far tasks agree on who the best donors are (Figure 6 of the paper)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import TypedDict

from .rows import Rank


__all__ = ["Commonality", "commonality"]


class Commonality(TypedDict):
    """How many transfer languages are among the first `top` of each of the `tasks`, and which.

    `n` languages have a rank in all of these tasks, and only they are counted; `by_chance` is what orders that have
    nothing to do with one another would have in common on average, `top * (top / n) ** (tasks - 1)`.
    """

    step: int
    tasks: list[str]
    top: int
    common: int
    by_chance: float
    n: int
    languages: list[str]


def commonality(ranks: Iterable[Rank]) -> list[Commonality]:
    """Count the transfer languages that tasks have in common among their best (appendix K).

    Args:
        ranks (`Iterable[Rank]`): `transfer` of [`rankings`].

    Returns:
        `list[Commonality]`: for each step, each two tasks and all of them where there are more, a row for every number
        of languages from 1 to all.
    """
    orders: dict[int, dict[str, list[str]]] = defaultdict(dict)
    for row in sorted(ranks, key=lambda row: row["rank"]):
        if row["ts"] is not None:
            orders[row["step"]].setdefault(row["task"], []).append(row["language"])
    found: list[Commonality] = []
    for step, own in sorted(orders.items()):
        groups = list(combinations(sorted(own), 2))
        if len(own) > 2:
            groups.append(tuple(sorted(own)))  # type: ignore[arg-type]
        for tasks in groups:
            shared = set.intersection(*(set(own[task]) for task in tasks))
            kept = [[code for code in own[task] if code in shared] for task in tasks]
            for top in range(1, len(shared) + 1):
                common = set.intersection(*(set(order[:top]) for order in kept))
                found.append(
                    {
                        "step": step,
                        "tasks": list(tasks),
                        "top": top,
                        "common": len(common),
                        "by_chance": top * (top / len(shared)) ** (len(tasks) - 1),
                        "n": len(shared),
                        "languages": sorted(common),
                    }
                )
    return found
