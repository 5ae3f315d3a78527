"""Recipes: the settings of the papers and the recommended ones, as YAML files that `--config NAME` takes by name.

Imports nothing of the package.
"""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import Any


__all__ = ["list_recipes", "load_recipe"]

_SUFFIXES = (".yaml", ".yml", ".json")


def list_recipes() -> list[str]:
    """Names of the recipes that ship with the package, sorted."""
    return sorted(entry.name[: -len(".yaml")] for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name_or_path: str | Path) -> dict[str, Any]:
    """Read a recipe as a flat mapping from flag to value.

    A recipe may name another one under the key `extends`; its own keys win over those of the one it extends.

    Args:
        name_or_path (`str` or `Path`): the name of a recipe of the package (`langsamp`) or a YAML or JSON file.

    Returns:
        `dict[str, Any]`: flag names (underscores) to values.

    Raises:
        FileNotFoundError: no such file, or no recipe of that name; the nearest names are given.
        ValueError: the file is not a flat mapping, or recipes extend each other in a circle.
    """
    return _load(str(name_or_path), ())


def _load(name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    import yaml

    if name in seen:
        raise ValueError(f"recipes extend each other in a circle: {' -> '.join((*seen, name))}")
    text = _read(name)
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"recipe {name} is not valid YAML: {' '.join(str(error).split())}") from error
    values = {} if values is None else values
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ValueError(f"recipe {name} must be a mapping from flag to value, such as `learning_rate: 5.0e-5`")
    parent = values.pop("extends", None)
    if parent is None:
        return values
    base = _load(str(parent), (*seen, name))
    return {**base, **values}


def _read(name: str) -> str:
    path = Path(name)
    if path.suffix in _SUFFIXES or path.is_file():
        if not path.is_file():
            raise FileNotFoundError(
                f"there is no recipe file {name}; recipes of the package: {', '.join(list_recipes())}"
            )
        return path.read_text(encoding="utf-8")
    names = list_recipes()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names
        raise FileNotFoundError(
            f"there is no recipe {name!r} in the package and no file of that name; did you mean {' or '.join(near)}?"
        )
    return (_folder() / f"{name}.yaml").read_text(encoding="utf-8")


def _folder() -> Any:
    return resources.files(__name__)
