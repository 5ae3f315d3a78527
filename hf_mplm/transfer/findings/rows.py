"""The rows of the tables that a study's findings come in; every table has rows with the same keys."""

from __future__ import annotations

from typing import NamedTuple, TypedDict


__all__ = [
    "Correlation",
    "LargestRecipient",
    "PairTransfer",
    "Rank",
    "Rankings",
    "RecipientShare",
    "Recipients",
    "VarianceType",
    "count_steps",
]


class PairTransfer(TypedDict):
    """What tuning on one language did to one target.

    `base` is `None` without a baseline; `ts` is also `None` where the base score is not above 0; `sem`, the standard
    error of `ts` over repeats, needs two of them. `change` is the mean score less the base score, `scores` are those
    of the repeats.
    """

    task: str
    metric: str
    step: int
    transfer_language: str
    target: str
    base: float | None
    mean: float
    change: float | None
    ts: float | None
    sem: float | None
    n_repeats: int
    repeats: list[int]
    scores: list[float]


class Rank(TypedDict):
    """A language's place among those of a task and step, by the mean of its transfer scores over `n` others.

    `positive` is the share of them that are above 0 (the paper's +(%)), `variance` theirs over the others (by n - 1).
    `n_max` and `n_min` count for how many others it is the best and the worst; equals share that, unless all are
    equal. `low` and `high` are the ends of a 95 % bootstrap interval. `n_zero_base` others have no score because the
    base has 0 there: their mean absolute change is `zero_base_change`. `n_no_base` lack a baseline.
    """

    task: str
    step: int
    rank: int
    language: str
    ts: float | None
    low: float | None
    high: float | None
    verdict: str
    positive: float | None
    variance: float | None
    n: int
    n_max: int
    n_min: int
    n_zero_base: int
    zero_base_change: float | None
    n_no_base: int


class Rankings(NamedTuple):
    """Transfer languages by aggregated-transfer, and targets by aggregated-target."""

    transfer: list[Rank]
    target: list[Rank]


class VarianceType(TypedDict):
    """A row of Table 5; `rank` is the one by variance."""

    task: str
    step: int
    rank: int
    language: str
    n_max: int
    n_min: int
    ts: float | None
    variance: float | None
    type: str


class RecipientShare(TypedDict):
    """A row of Table 19: the share of `n` transfer languages that a target gains from, and its `group`."""

    task: str
    step: int
    target: str
    positive: float
    n: int
    group: str


class LargestRecipient(TypedDict):
    """A cell of Table 20: the target that gains the most from a transfer language."""

    task: str
    step: int
    transfer_language: str
    target: str
    ts: float


class Recipients(NamedTuple):
    """Tables 19 and 20."""

    shares: list[RecipientShare]
    largest: list[LargestRecipient]


class Correlation(TypedDict):
    """Spearman's correlation of two tasks' rankings of `n` transfer languages, over `n_targets` common targets."""

    step: int
    first: str
    second: str
    rho: float | None
    p: float | None
    n: int
    n_targets: int


def count_steps(step: int) -> str:
    """`1 step`, `10 steps`."""
    return f"{step} step{'' if step == 1 else 's'}"
