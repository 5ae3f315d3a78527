"""What low-rank weights and modules stand above: a model that others can load too, or nothing is published."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any


__all__ = ["name_base"]

# File to its key that names the base.
_KEYS = {"adapter_config.json": "base_model_name_or_path", "module.json": "base_model"}
# Libraries write these where nobody told them a base, and hf_mplm tells it in `module.json`.
_NONE = (None, "", "None")


def name_base(folder: Path, name: str, settings: Mapping[str, Any], base: str | None) -> dict[str, Any]:
    """Settings of weights over a base, as others read them.

    Args:
        folder (`Path`): what is published.
        name (`str`): the file's path in it.
        settings (`Mapping[str, Any]`): what it holds.
        base (`str`, *optional*): the base's repository, where the settings name a folder.

    Returns:
        `dict[str, Any]`: with the base as it is named: by its repository, or as a folder that is published with it.

    Raises:
        ValueError: if it is a folder that only this machine has.
    """
    path = PurePosixPath(name)
    key = _KEYS.get(path.name)
    if key is None or settings.get(key) in _NONE:
        return dict(settings)
    given = str(settings[key])
    inside = Path(os.path.normpath(folder / path.parent / given))
    if given.startswith(".") and inside != folder and folder in inside.parents and inside.is_dir():
        return dict(settings)  # as the members of a collection have it
    is_local = given.startswith((".", "/", "~")) or Path(given).exists() or inside.is_dir()
    if base is not None:
        return {**settings, key: base}
    if is_local:
        raise ValueError(
            f"{folder / name} stands above {given}, a folder that only this machine has: publish that first, and name "
            "it by --base OWNER/NAME"
        )
    return dict(settings)
