"""Whole checkpoints or none: written beside, synced to disk, then renamed.

A checkpoint counts as whole when its manifest (`checkpoint.json`) is there and every file is as `digests.json`, which
is written last, says. Anything else is reported and never resumed from.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hf_mplm.jobs.digests import DIGESTS_FILE, find_damage, write_digests
from hf_mplm.jobs.files import DamagedError, read_json


__all__ = [
    "MANIFEST_NAME",
    "UNFINISHED_PREFIX",
    "find_last_checkpoint",
    "list_checkpoints",
    "publish_checkpoint",
    "read_manifest",
    "remove_unfinished",
    "rotate_checkpoints",
    "sync_files",
    "what_is_missing",
    "write_manifest",
]

logger = logging.getLogger(__name__)

MANIFEST_NAME = "checkpoint.json"
# Trainer's uploads leave out names that start with an underscore.
UNFINISHED_PREFIX = "_unfinished-"
_KEYS = {"draws": int, "resumable": bool, "step": int, "world_size": int}
_CHECKPOINT = re.compile(r"^checkpoint-(\d+)$")


def list_checkpoints(output_dir: str | Path) -> list[Path]:
    """Folders called `checkpoint-STEP` in `output_dir`, whole or not, by ascending step."""
    folder = Path(output_dir)
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.is_dir() and _CHECKPOINT.match(path.name)]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def find_last_checkpoint(output_dir: str | Path) -> Path | None:
    """The whole checkpoint with the highest step, or `None`.

    Folders that a killed run left behind, and checkpoints that are not whole, are named in a warning and passed over.

    Args:
        output_dir (`str` or `Path`): the output folder of a training run.

    Returns:
        `Path` or `None`: the folder to resume from.
    """
    for path in _unfinished(output_dir):
        logger.warning("%s is left over from a run that was stopped while it wrote; it is ignored", path)
    for path in reversed(list_checkpoints(output_dir)):
        problem = what_is_missing(path)
        if problem is None:
            return path
        logger.warning("%s is not a whole checkpoint (%s); it is ignored", path, problem)
    return None


def what_is_missing(checkpoint: str | Path) -> str | None:
    """Why a folder is not a whole checkpoint, or `None` if it is one.

    Every file is read and held against its digest, so that bits that changed on the disk are seen, too.
    """
    folder = Path(checkpoint)
    try:
        manifest = read_manifest(folder)
        damage = find_damage(folder)
    except FileNotFoundError:
        return f"it has no {MANIFEST_NAME}, which is written near the end"
    except DamagedError as error:
        return f"{error.path.name} is damaged: {error.what}"
    if not manifest["resumable"]:
        return "it was saved with save_only_model and has no optimizer state"
    if damage is None:
        return f"it has no {DIGESTS_FILE}, which is written last"
    if damage:
        name, what = damage[0]
        more = f", and {len(damage) - 1} more" if len(damage) > 1 else ""
        return (f"{name} {what[3:]}" if what.startswith("it ") else f"{name} is damaged: {what}") + more
    return None


def read_manifest(checkpoint: str | Path) -> dict[str, Any]:
    """What a checkpoint says of itself.

    Args:
        checkpoint (`str` or `Path`): a checkpoint folder.

    Returns:
        `dict`: `step`, `draws` (how many chunks had been drawn), `world_size` and `resumable`.

    Raises:
        FileNotFoundError: the folder holds no manifest.
        DamagedError: the manifest cannot be read, or lacks something.
    """
    path = Path(checkpoint) / MANIFEST_NAME
    manifest = read_json(path, "Go on from another checkpoint.")
    if manifest is None:
        raise FileNotFoundError(f"{path} does not exist")
    if not isinstance(manifest, dict) or any(type(manifest.get(key)) is not kind for key, kind in _KEYS.items()):
        needed = ", ".join(f"{key} ({kind.__name__})" for key, kind in _KEYS.items())
        raise DamagedError(path, f"it must hold {needed}", "Go on from another checkpoint.")
    return manifest


def write_manifest(checkpoint: str | Path, *, step: int, draws: int, world_size: int, resumable: bool = True) -> None:
    """Sync every file of a finished checkpoint to disk, then write the manifest and the digests that declare it whole.

    Args:
        checkpoint (`str` or `Path`): the folder, with all its files written by all ranks.
        step (`int`): optimizer steps done.
        draws (`int`): chunks drawn so far over all ranks; resuming starts the sampler there.
        world_size (`int`): number of processes, each of which has its own random state in the folder.
        resumable (`bool`, *optional*, defaults to `True`): whether the optimizer's state is in it.
    """
    folder = Path(checkpoint)
    manifest = {"step": step, "draws": draws, "world_size": world_size, "resumable": resumable}
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    sync_files(folder)
    write_digests(folder)


def sync_files(folder: Path) -> None:
    """Have every file of a folder, and the folder itself, on disk."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        _sync(path)
    for directory in {folder, *(path.parent for path in files)}:
        _sync(directory)


def publish_checkpoint(written: str | Path, final: str | Path) -> None:
    """Give a finished checkpoint its name in one rename, replacing one of the same step.

    Args:
        written (`str` or `Path`): the folder that was written beside, manifest included.
        final (`str` or `Path`): where it belongs, on the same file system.
    """
    written, final = Path(written), Path(final)
    replaced = final.with_name(f"{UNFINISHED_PREFIX}replaced-{final.name}")
    if final.exists():
        if replaced.exists():
            shutil.rmtree(replaced)
        final.rename(replaced)
    written.rename(final)
    _sync(final.parent)
    if replaced.exists():
        shutil.rmtree(replaced)


def remove_unfinished(output_dir: str | Path) -> None:
    """Delete what killed runs left behind in `output_dir`; called once a newer checkpoint is whole."""
    for path in _unfinished(output_dir):
        shutil.rmtree(path, ignore_errors=True)


def rotate_checkpoints(output_dir: str | Path, limit: int | None, keep: Iterable[str | Path] = ()) -> None:
    """Delete the oldest checkpoints beyond `limit`.

    Args:
        output_dir (`str` or `Path`): the output folder.
        limit (`int`, *optional*): how many to have; `None` or 0 deletes nothing.
        keep (`Iterable`, *optional*): checkpoints that stay whatever their age (the best one). The newest stays, too.
    """
    checkpoints = list_checkpoints(output_dir)
    if not limit or len(checkpoints) <= limit:
        return
    kept = {Path(path).resolve() for path in keep} | {checkpoints[-1].resolve()}
    surplus = len(checkpoints) - max(limit, len(kept & {path.resolve() for path in checkpoints}))
    for path in [path for path in checkpoints if path.resolve() not in kept][:surplus]:
        # Renamed first: a run killed in the middle of deleting leaves no half checkpoint under a checkpoint's name.
        doomed = path.with_name(f"{UNFINISHED_PREFIX}deleted-{path.name}")
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def _unfinished(output_dir: str | Path) -> list[Path]:
    folder = Path(output_dir)
    return sorted(folder.glob(f"{UNFINISHED_PREFIX}*")) if folder.is_dir() else []


def _sync(path: Path) -> None:
    if path.is_dir() and os.name != "posix":
        return  # only POSIX systems open folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() or os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
