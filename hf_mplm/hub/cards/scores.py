"""`scores.json`: the scores of a checkpoint, beside it, for every card that is drawn of it."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_mplm.evaluation.results import make_row
from hf_mplm.jobs.digests import DIGESTS_FILE, digest_file
from hf_mplm.jobs.files import DamagedError, atomic_write, read_json


__all__ = ["SCORES_FILE", "read_scores", "read_task_types", "write_scores"]

logger = logging.getLogger(__name__)

SCORES_FILE = "scores.json"
_FORMAT = "hf_mplm scores 1"
_ADVICE = "Delete it, and measure again: hf-mplm evaluate --update_card true"
_KEYS = ("task", "metric", "setting", "direction", "layer")


def write_scores(folder: Path, rows: Sequence[Any], task_types: Mapping[str, str] | None = None) -> Path:
    """Write scores, means over seeds, beside the weights that they are of.

    Args:
        folder (`Path`): the checkpoint's.
        rows (`Sequence[ResultRow]`): its results.
        task_types (`Mapping[str, str]`, *optional*): what the Hub calls tasks that are not of this package, which a
            card that is drawn later cannot know otherwise.
    """
    groups: dict[tuple[Any, ...], dict[tuple[str, str], list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[tuple(getattr(row, key) for key in _KEYS)][row.source_language, row.language].append(row)
    entries = []
    for key, cells in sorted(groups.items()):
        scores = [
            [
                source,
                language,
                round(sum(row.value for row in members) / len(members), 6),
                members[0].n,
                max(row.n_skipped for row in members),
            ]
            for (source, language), members in sorted(cells.items())
        ]
        entries.append({**dict(zip(_KEYS, key)), "scores": scores})
    path = folder / SCORES_FILE
    columns = ["source_language", "language", "value", "n", "n_skipped"]
    told: dict[str, Any] = {
        "format": _FORMAT,
        "weights": _weights(folder),
        "columns": columns,
        "measurements": entries,
    }
    if task_types:
        told["task_types"] = dict(task_types)
    with atomic_write(path) as file:
        file.write(json.dumps(told, ensure_ascii=False).encode())
    return path


def read_scores(folder: Path) -> list[Any]:
    """Read scores back as rows; none where there are none, or where they are of other weights.

    Args:
        folder (`Path`): the checkpoint's.

    Raises:
        DamagedError: if the file is not what [`write_scores`] wrote.
    """
    path = folder / SCORES_FILE
    told = read_json(path, _ADVICE)
    if told is None:
        return []
    try:
        if told["format"] != _FORMAT:
            raise ValueError(f"format {told['format']!r}")
        if told["weights"] != _weights(folder):
            logger.warning("%s is of other weights than those beside it, and is left aside. %s", path, _ADVICE)
            return []
        return [
            make_row(
                **{key: entry[key] for key in _KEYS},
                source_language=source,
                language=language,
                value=value,
                n=n,
                n_skipped=n_skipped,
                model=folder.name,
            )
            for entry in told["measurements"]
            for source, language, value, n, n_skipped in entry["scores"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(path, f"it holds no scores ({error!r:.200})", _ADVICE) from error


def read_task_types(folder: Path) -> dict[str, str]:
    """Read back what the Hub calls tasks that are not of this package; empty where nothing was said.

    Args:
        folder (`Path`): the checkpoint's.
    """
    told = read_json(folder / SCORES_FILE, _ADVICE)
    types = told.get("task_types") if isinstance(told, dict) else None
    return {str(task): str(kind) for task, kind in types.items()} if isinstance(types, dict) else {}


def _weights(folder: Path) -> dict[str, str]:
    """Digests of the weights, from the list of digests where there is one."""
    listed = read_json(folder / DIGESTS_FILE)
    files = listed.get("files") if isinstance(listed, dict) else None
    known = files if isinstance(files, dict) else {}
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        entry = known.get(path.name)
        is_known = isinstance(entry, dict) and entry.get("size") == path.stat().st_size
        found[path.name] = str(known[path.name]["digest"]) if is_known else digest_file(path)
    return found
