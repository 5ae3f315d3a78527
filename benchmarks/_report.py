from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


RESULTS = Path(__file__).parent / "results"
PACKAGES = ("hf-mplm", "torch", "transformers", "datasets", "tokenizers", "numpy")


def report(name: str, rows: Sequence[Mapping[str, object]], results_dir: Path = RESULTS) -> Path:
    """Print `rows` as a table and write them with the machine and the versions they were measured on.

    Args:
        name (`str`): name of the benchmark; the file is `NAME.json`.
        rows (`Sequence[Mapping]`): measurements, each with the same keys.
        results_dir (`Path`, *optional*, defaults to `benchmarks/results`): folder to write to.

    Returns:
        `Path`: the file written.
    """
    cells = [list(rows[0]), *([_format(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    print(f"\n{name}")
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    results_dir.mkdir(parents=True, exist_ok=True)
    path = results_dir / f"{name}.json"
    content = {"benchmark": name, "machine": machine(), "versions": versions(), "rows": [dict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def machine() -> dict[str, object]:
    """What the numbers depend on, and nothing that names the machine or its user."""
    return {"system": platform.system(), "architecture": platform.machine(), "cpu_cores": os.cpu_count()}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that matter here."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _format(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
