"""The models of a collection: which languages each is trained on, and for how many steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hf_mplm.data.batches.columns import language_labels
from hf_mplm.data.batches.sampling import LanguageSampler


if TYPE_CHECKING:
    from hf_mplm.data.batches.schedules import ScheduleValue
    from hf_mplm.data.store.token_store import TokenStore

    from ..clusters.sprachbunds import Sprachbunds

__all__ = ["Budget", "Member", "plan_members"]

Budget = Literal["per_model", "total"]
# Draws over which languages' shares are counted: enough that rounding is nothing beside a step.
_COUNTED = 10_000_000


@dataclass
class Member:
    """One model of a collection.

    Args:
        languages (`list[str]`): the languages of its cluster, sorted.
        pivot (`str`): the pivot of the cluster.
        folder (`str`): its folder within the collection.
        trained_on (`list[str]`): those of `languages` of which the store has text.
        tokens (`int`): tokens of these in the store.
        steps (`int`): optimizer steps.
        digest (`str`, *optional*): of its files when it was finished; `None` before.
    """

    languages: list[str]
    pivot: str
    folder: str
    trained_on: list[str]
    tokens: int
    steps: int
    digest: str | None = None


def plan_members(
    sprachbunds: Sprachbunds, store: TokenStore, *, max_steps: int, budget: Budget, alpha: ScheduleValue = 0.3
) -> list[Member]:
    """One model a cluster, trained on what the store has of its languages.

    With the budget `per_model` each is trained for `max_steps`, as the paper's are, which favours many models. With
    `total` the steps are divided by the draws that the languages would have in one model of all: every language is
    then seen as often as in a single model of `max_steps`, whatever the clusters are.

    Args:
        sprachbunds (`Sprachbunds`): the clusters.
        store (`TokenStore`): text of their languages, and perhaps of others, which are left out.
        max_steps (`int`): optimizer steps of a model, or of all together.
        budget (`"per_model"` or `"total"`): which.
        alpha (`float` or a schedule, *optional*, defaults to 0.3): by which languages are drawn in training.

    Returns:
        `list[Member]`: in the order of the clusters.

    Raises:
        ValueError: if the store has no text of any language of a cluster, or there are fewer steps than models.
    """
    if budget not in ("per_model", "total"):
        raise ValueError(f"there is no budget {budget!r}; needed is per_model or total")
    known = set(store.languages)
    trained = [[code for code in codes if code in known] for codes in sprachbunds.clusters]
    for number, (codes, own) in enumerate(zip(sprachbunds.clusters, trained), start=1):
        if not own:
            raise ValueError(
                f"{store.path} has no text of cluster {number} ({', '.join(codes[:5])}); prepare a store with some: "
                "hf-mplm prepare --corpus DIR --tokenizer TOKENIZER --output NEW_STORE, or give clusters without it"
            )
    steps = [max_steps] * len(trained)
    if budget == "total":
        steps = _divide(max_steps, _shares(store, trained, alpha))
    if min(steps) < 1:
        raise ValueError(f"{max_steps} steps are too few for {len(steps)} models: give more --max_steps")
    counts = store.info["languages"]
    return [
        Member(
            list(codes), pivot, f"sprachbund-{number}", own, sum(int(counts[code]["tokens"]) for code in own), share
        )
        for number, (codes, pivot, own, share) in enumerate(
            zip(sprachbunds.clusters, sprachbunds.pivots, trained, steps), start=1
        )
    ]


def _shares(store: TokenStore, groups: Sequence[Sequence[str]], alpha: ScheduleValue) -> np.ndarray:
    """The share of draws that each group has where one model is trained on all of them. Shape: (groups,)."""
    labels = language_labels(store.train)
    place = {code: label for label, code in enumerate(store.languages)}
    wanted = np.array([place[code] for group in groups for code in group])
    sampler = LanguageSampler(labels[np.isin(labels, wanted)], alpha=alpha, num_draws=_COUNTED)
    draws = np.zeros(len(store.languages))
    counted = sampler.language_counts(0, _COUNTED)
    draws[: len(counted)] = counted
    shares = np.array([draws[[place[code] for code in group]].sum() for group in groups])
    return shares / shares.sum()


def _divide(total: int, shares: np.ndarray) -> list[int]:
    """Divide whole numbers by largest remainders, so that they add up."""
    exact = total * shares
    steps = np.floor(exact).astype(int)
    for place in np.argsort(steps - exact, kind="stable")[: total - steps.sum()]:
        steps[place] += 1
    return [int(count) for count in steps]
