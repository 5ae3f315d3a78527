from __future__ import annotations

import importlib
from types import ModuleType


__all__ = ["require"]


def require(module: str, extra: str) -> ModuleType:
    """Imports an optional dependency, or says how to install it.

    Args:
        module (`str`): Dotted name of the module, for example `"matplotlib.pyplot"`.
        extra (`str`): The extra of `hf-mplm` that installs it, for example `"report"`.

    Returns:
        `ModuleType`: The module.

    Raises:
        ImportError: The module, or the package that holds it, is not installed. What an installed module fails on
            while it is imported is raised unchanged.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        # A module that is there but needs another that is not has a problem of its own, which this would hide.
        if module != missing and not module.startswith(f"{missing}."):
            raise
        raise ImportError(
            f'{module} is needed here and is not installed; install it with: pip install "hf-mplm[{extra}]"',
            name=missing,
        ) from error
