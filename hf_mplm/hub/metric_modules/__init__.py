"""Modules for the `evaluate` library: `evaluate.load(module_path("retrieval_accuracy"))`, without a network."""

from __future__ import annotations

from pathlib import Path


__all__ = ["module_path"]


def module_path(name: str) -> str:
    """Find the script of a metric.

    Args:
        name (`str`): `"retrieval_accuracy"`, `"attachment_scores"`, `"transfer_score"` or `"interference"`.

    Returns:
        `str`: What `evaluate.load` takes.

    Raises:
        ValueError: If there is no such metric.
    """
    folder = Path(__file__).parent
    names = sorted(path.stem for path in folder.glob("[!_]*.py"))
    if name not in names:
        raise ValueError(f"there is no metric {name!r}; there are {', '.join(names)}")
    return str(folder / f"{name}.py")
