"""`.eval_results/*.yaml`: scores as the Hub shows them beside a benchmark, where MTEB measures the same.

The format is that of https://huggingface.co/docs/hub/eval-results; huggingface_hub 2 reads it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml

from hf_mplm._lists import as_list
from hf_mplm.jobs.files import atomic_write

from ..mteb_export import mteb_subset


__all__ = ["EVAL_RESULTS", "write_eval_results"]

EVAL_RESULTS = ".eval_results"
_DATASETS = {"tatoeba": "mteb/tatoeba-bitext-mining", "flores": "mteb/flores"}


def write_eval_results(folder: Path, rows: Sequence[Any], *, limited: str | Collection[str] = ()) -> list[Path]:
    """Write the F1 of bitext mining of each language, a file a benchmark.

    Args:
        folder (`Path`): the checkpoint's.
        rows (`Sequence[ResultRow]`): results; those that MTEB measures otherwise are left out.
        limited (`str` or `Collection[str]`, *optional*): tasks of which only some sentences were taken.

    Returns:
        `list[Path]`: the files; none where nothing is measured as MTEB does.
    """
    entries: dict[str, dict[tuple[str, int], dict[str, Any]]] = defaultdict(dict)
    limited = frozenset(as_list(limited))
    for row in rows:
        subset = mteb_subset(row, limited) if row.metric == "f1" else None
        if subset is None:
            continue
        notes = [f"layer {row.layer}"] if row.layer >= 0 else []
        notes += ["without special tokens"] if row.setting.endswith("-no-specials") else []
        entry: dict[str, Any] = {
            "dataset": {"id": _DATASETS[row.task], "task_id": subset},
            "value": round(row.value, 6),
        }
        entries[row.task][subset, row.layer] = {**entry, **({"notes": ", ".join(notes)} if notes else {})}
    paths = []
    for task, found in sorted(entries.items()):
        path = folder / EVAL_RESULTS / f"{task}.yaml"
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path) as file:
            file.write(yaml.safe_dump([found[key] for key in sorted(found)], sort_keys=False).encode("utf-8"))
        paths.append(path)
    return paths
