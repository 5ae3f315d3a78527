"""Rooms whose names load when they are first used, so that asking for one does not cost the import of all."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


__all__ = ["lazy_names"]


def lazy_names(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package.

    What it gives for the names stands in the package's `TYPE_CHECKING` block, too, so that type checkers and editors
    see every name as what it is.

    Args:
        package (`str`): The package's `__name__`.
        names (`Mapping[str, Sequence[str]]`): Module, relative to the package, to the public names that it holds.

    Returns:
        `tuple[Callable, Callable]`: To be bound to `__getattr__` and `__dir__`.
    """
    module_of = {name: module for module, public in names.items() for name in public}

    def __getattr__(name: str) -> Any:
        if name in module_of:
            value = getattr(importlib.import_module(f"{package}.{module_of[name]}"), name)
            setattr(sys.modules[package], name, value)
            return value
        # Submodules are there without an import of their own, as in the packages that this one stands on.
        if not name.startswith("_") and importlib.util.find_spec(f"{package}.{name}") is not None:
            inside: Any = importlib.import_module(f"{package}.{name}")
            if hasattr(inside, "__path__") and "__getattr__" not in vars(inside):
                # A folder of a room, which names nothing of its own, has its modules in the same way.
                inside.__getattr__, inside.__dir__ = lazy_names(inside.__name__, {})
            return inside
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        module = sys.modules[package]
        inside = [found.name for found in pkgutil.iter_modules(module.__path__) if not found.name.startswith("_")]
        return sorted({*vars(module), *module_of, *inside})

    return __getattr__, __dir__
