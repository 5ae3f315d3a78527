"""`hf_mplm.json`: by what, from what and how something was made, without a word of where and by whom."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from hf_mplm._version import __version__
from hf_mplm.jobs.files import DamagedError, read_json

from .publish_kinds import RECORD_FILE
from .publish_privacy import without_places, without_run_settings


__all__ = ["git_revision", "read_record", "record_of"]

_PACKAGES = ("transformers", "torch", "datasets", "tokenizers", "huggingface-hub")
_FORMAT = 1


def read_record(folder: Path) -> dict[str, Any]:
    """What a folder says of its making; empty where it says nothing.

    Raises:
        DamagedError: if it cannot be read.
    """
    record = read_json(folder / RECORD_FILE, "Delete it, or make it again.")
    if record is None:
        return {}
    if not isinstance(record, dict):
        raise DamagedError(folder / RECORD_FILE, "it holds no JSON object", "Delete it, or make it again.")
    return record


def record_of(folder: Path, kind: str, files: Sequence[str], license: str | None) -> dict[str, Any]:
    """What travels along with a folder: what its making left there, the kind, and the names of all files that go.

    The same folder gives the same record, so that a second push changes nothing.

    Args:
        folder (`Path`): what is published.
        kind (`str`): its kind.
        files (`Sequence[str]`): everything that goes, by which a later push finds what it must delete.
        license (`str`, *optional*): of what is published.
    """
    record = read_record(folder)
    if not record:
        record = {"hf_mplm": __version__, "git": git_revision(), "packages": package_versions()}
        arguments = read_json(folder / "training_args.json")
        if isinstance(arguments, dict):
            record["all_arguments"] = without_run_settings(arguments)
        record |= _origin(folder)
    if isinstance(record.get("arguments"), Mapping):
        record["arguments"] = without_run_settings(record["arguments"])
    return {
        "format": _FORMAT,
        "kind": kind,
        **without_places({key: value for key, value in record.items() if key not in ("format", "kind", "files")}),
        **({"license": license} if license else {}),
        "files": sorted(files),
    }


def package_versions() -> dict[str, str]:
    """Versions of what training runs on."""
    return {name: metadata.version(name) for name in _PACKAGES}


def git_revision() -> str | None:
    """The commit of this package's source, where it runs from a checkout; `None` where it is installed."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        told = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip() or None


def _origin(folder: Path) -> dict[str, Any]:
    """What a run began with, by content."""
    run = read_json(folder / "run.json")
    origin = run.get("origin") if isinstance(run, dict) else None
    return {"origin": without_places(origin)} if isinstance(origin, dict) else {}
