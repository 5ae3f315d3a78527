"""The result of one part of a long job: its data, and what it found, which says that the data is whole."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xxhash

from .digests import digest_file
from .files import DamagedError, read_json, write_json


__all__ = ["read_result", "write_result"]

logger = logging.getLogger(__name__)


def write_result(path: Path, data: Path, found: dict[str, Any]) -> None:
    """Write what a part found, after its data: a part of which this file stands is finished.

    Args:
        path (`Path`): the JSON file that is written.
        data (`Path`): the part's data, finished.
        found (`dict[str, Any]`): counts and the like, as JSON holds them.
    """
    entry = {"size": data.stat().st_size, "digest": digest_file(data), "found": found}
    write_json(path, {**entry, "own_digest": _digest(entry)})


def read_result(path: Path, data: Path, needed: Iterable[str] = (), *, verify: bool = True) -> dict[str, Any] | None:
    """Read what a part found; None if it is not finished, or no longer what was written and has to be done again.

    Args:
        path (`Path`): the JSON file.
        data (`Path`): the part's data.
        needed (`Iterable[str]`, *optional*): keys that must have been found.
        verify (`bool`, *optional*, defaults to `True`): whether to hold the data's bytes against their digest too.
    """
    try:
        entry = read_json(path)
        if entry is None:
            return None
        damage = _damage(entry, data, set(needed), verify)
    except DamagedError as error:
        damage = error.what
    except FileNotFoundError:
        damage = "its data is missing"
    if damage is None:
        return dict(entry["found"])
    logger.warning("%s is damaged (%s): this part is done again", path, damage)
    return None


def _damage(entry: Any, data: Path, needed: set[str], verify: bool) -> str | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("found"), dict) or not needed <= set(entry["found"]):
        return "it is no result of a part"
    if entry.get("own_digest") != _digest({key: value for key, value in entry.items() if key != "own_digest"}):
        return "its text is not what was written"
    if data.stat().st_size != entry["size"]:
        return f"{data.name} has {data.stat().st_size:,} bytes, {entry['size']:,} were written"
    if verify and digest_file(data) != entry["digest"]:
        return f"the bytes of {data.name} are not those that were written"
    return None


def _digest(entry: dict[str, Any]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(entry, sort_keys=True).encode())
