"""Which space vectors are of: only within one can they be added, compared, or text be routed by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


__all__ = ["RANDOM", "describe_space", "named_space", "space_difference"]

RANDOM = "random-"
"""How the names of views of random weights begin."""


def describe_space(config: Mapping[str, Any], views: Iterable[str]) -> dict[str, Any]:
    """What tells the space of vectors: `source`, `model`, `revision`, `tokenizer`, and the seed of random weights.

    Args:
        config (`Mapping[str, Any]`): of [`LanguageVectors`].
        views (`Iterable[str]`): the views that it is about; letters do not depend on the seed.
    """
    space = {key: config.get(key) for key in ("source", "model", "revision", "tokenizer")}
    if any(view.startswith(RANDOM) for view in views):
        space["random_seed"] = config.get("random_seed")
    return space


def space_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """What makes two descriptions ones of different spaces, or `None`.

    A model is known by its revision, wherever it lies, and by its name only where it has none.

    Args:
        one (`Mapping[str, Any]`): what [`describe_space`] gives.
        other (`Mapping[str, Any]`): the same of others.
    """
    model = "revision" if one.get("revision") or other.get("revision") else "model"
    keys = ("source", model, "tokenizer", "random_seed")
    return next((key for key in keys if one.get(key) != other.get(key)), None)


def named_space(space: Mapping[str, Any]) -> str:
    """A description in words, for messages: `encoder MODEL (REVISION)`.

    Args:
        space (`Mapping[str, Any]`): what [`describe_space`] gives.
    """
    seed = space.get("random_seed")
    known = [str(space.get("revision") or "revision unknown"), *([] if seed is None else [f"seed {seed}"])]
    return f"{space.get('source')} {space.get('model')} ({', '.join(known)})"
