"""Where a corpus comes from, as a card tells it: name, revision and licence; nothing of where it lies."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hf_mplm._lists import as_list


__all__ = ["describe_sources"]

logger = logging.getLogger(__name__)

_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_LONGEST = 1 << 16


def describe_sources(corpus: Any, entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tell what each of the corpora is.

    A licence is the one that a dataset's card names (`license:` above its README): on the Hub, and in a folder that
    was cloned from there.

    Args:
        corpus (`str`, `Path` or several of them): as it was given.
        entries (`Iterable[Mapping[str, Any]]`): the files of the plan, of which those of the Hub have their revision.

    Returns:
        `list[dict[str, Any]]`: `name`, `kind` (`"hub"` or `"folder"`), and where they are known `revision` and
        `license`.
    """
    revisions = {str(entry["name"]).rpartition("/")[0]: entry["digest"] for entry in entries if entry["kind"] == "hub"}
    found = []
    for source in as_list(corpus, keep_spaces=True):
        path = Path(source)
        if path.exists():
            card = path / "README.md" if path.is_dir() else path.parent / "README.md"
            about = {"name": path.resolve().name, "kind": "folder", "license": _license_in(card)}
        else:
            revision = revisions.get(str(source))
            about = {"name": str(source), "kind": "hub", "revision": revision}
            about["license"] = _license_on_the_hub(str(source), revision)
        found.append({key: value for key, value in about.items() if value is not None})
    return found


def _license_in(card: Path) -> str | None:
    try:
        match = _FRONT.match(card.read_text(encoding="utf-8")[:_LONGEST]) if card.is_file() else None
        data = yaml.safe_load(match[1]) if match else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):  # a README of something else
        return None
    return _one(data.get("license")) if isinstance(data, dict) else None


def _license_on_the_hub(source: str, revision: str | None) -> str | None:
    from huggingface_hub import HfApi

    try:
        card = HfApi().dataset_info(source, revision=revision).card_data
    except Exception as error:  # a store that took hours is not lost for a licence
        logger.warning("%s: its licence is unknown (%s)", source, type(error).__name__)
        return None
    return _one(card.get("license")) if card is not None else None


def _one(license: str | Sequence[str] | None) -> str | None:
    names = as_list(license, keep_spaces=True) if isinstance(license, (str, list)) else []
    return str(names[0]) if len(names) == 1 else None
