"""The finished model in the output folder: it stands there whole, or does not load."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hf_mplm.jobs.digests import DIGESTS_FILE, write_digests
from hf_mplm.jobs.files import DamagedError, read_json, sync_folder

from .checkpoints import UNFINISHED_PREFIX, sync_files
from .run_record import RUN_FILE


__all__ = ["publish_model", "stage_model"]

STAGING = f"{UNFINISHED_PREFIX}model"
_CARD, _CONFIG = "README.md", "config.json"
# Written by people, or at the start of the next run.
_CHANGING = {_CARD, RUN_FILE}


def stage_model(folder: Path) -> Path:
    """Make the folder in which a model is put together, with the card of before, which a person may have written.

    Args:
        folder (`Path`): where the model belongs.

    Returns:
        `Path`: a folder in it.
    """
    staging = folder / STAGING
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    if (folder / _CARD).is_file():
        shutil.copyfile(folder / _CARD, staging / _CARD)
    return staging


def publish_model(staging: Path, folder: Path) -> None:
    """Move a model that was put together into its folder.

    The configuration, without which nothing loads, goes first and comes back after all other files; the digests come
    last. So a run that is killed in between leaves no mixture of two models.

    Args:
        staging (`Path`): the finished files, without digests.
        folder (`Path`): where they belong.
    """
    write_digests(staging, [name for name in _names(staging) if name not in _CHANGING])
    sync_files(staging)
    names = _names(staging)
    before = _listed(folder)
    for name in (DIGESTS_FILE, _CONFIG):
        (folder / name).unlink(missing_ok=True)
    sync_folder(folder)
    for name in before - set(names):  # such as the shards of a model that was saved in several
        (folder / name).unlink(missing_ok=True)
    for name in sorted(names, key=lambda name: (name == DIGESTS_FILE, name == _CONFIG, name)):
        if name == _CONFIG:
            sync_folder(folder)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / name, folder / name)
    sync_folder(folder)
    shutil.rmtree(staging)


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _listed(folder: Path) -> set[str]:
    """Files of the model that stood there before; none where nobody wrote them down."""
    try:
        written = read_json(folder / DIGESTS_FILE)
    except DamagedError:
        return set()
    files = written.get("files") if isinstance(written, dict) else None
    # Names come from a file: nothing outside the folder is touched.
    return {name for name in files or {} if not Path(name).is_absolute() and ".." not in Path(name).parts}
