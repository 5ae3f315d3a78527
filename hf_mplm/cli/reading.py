"""What the verbs that read a corpus have in common: whose revision a flag means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


__all__ = ["RENAMED", "reading_options"]

#: What `--revision` meant in these verbs before it came to mean the model's in every verb.
RENAMED = {"revision": "--revision is a model's; the revision of a Hub dataset is --corpus_revision"}


def reading_options(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Name flags as the functions that read a corpus take them.

    Args:
        flags (`Mapping[str, Any]`): Flags to their values; `corpus_revision` is renamed where it is among them.

    Returns:
        `dict[str, Any]`: Keyword arguments.
    """
    return {"revision" if name == "corpus_revision" else name: value for name, value in flags.items()}
