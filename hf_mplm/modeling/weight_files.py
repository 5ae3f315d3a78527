"""What the weight files of a checkpoint hold, told from their headers."""

from __future__ import annotations

import math
import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from hf_mplm.jobs.files import DamagedError, read_json


__all__ = ["Weights", "inspect_weights"]

# In the order in which transformers looks for them.
_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_ADVICE = "Fetch the checkpoint again, or take an earlier one."


class Weights(NamedTuple):
    """What there is.

    Attributes:
        parameters (`int`): numbers in all tensors.
        tensors (`int`): tensors.
    """

    parameters: int
    tensors: int


def inspect_weights(folder: Path) -> Weights | None:
    """Count what a folder's weight files hold, without reading the weights.

    Args:
        folder (`Path`): the checkpoint.

    Returns:
        [`Weights`] or `None`: `None` where there are no weight files.

    Raises:
        DamagedError: if a file is not what its name says, or a listed one is missing.
        ValueError: if a file in Python's pickle format holds more than weights.
    """
    found = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if found is None:
        return None
    shapes: dict[str, tuple[int, ...]] = {}
    for path in _parts(found) if found.suffix == ".json" else [found]:
        shapes.update(_safetensors_shapes(path) if path.suffix == ".safetensors" else _pickle_shapes(path))
    if not shapes:
        raise DamagedError(found, "it holds no weights", _ADVICE)
    return Weights(sum(map(math.prod, shapes.values())), len(shapes))


def _parts(index: Path) -> list[Path]:
    listed = read_json(index, _ADVICE)
    names = listed.get("weight_map") if isinstance(listed, dict) else None
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise DamagedError(index, "its weight_map does not list the files of weights", _ADVICE)
    suffix = ".safetensors" if ".safetensors." in index.name else ".bin"
    for name in sorted(set(names.values())):
        # A list from elsewhere must not have other files opened.
        if Path(name).name != name or not name.endswith(suffix):
            raise DamagedError(index, f"it lists {name[:60]!r}, which is no {suffix} file of the folder", _ADVICE)
        if not (index.parent / name).is_file():
            raise DamagedError(index, f"it lists {name}, which is missing", _ADVICE)
    return [index.parent / name for name in sorted(set(names.values()))]


def _safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, UnicodeDecodeError, KeyError, OverflowError) as error:
        raise DamagedError(path, f"it is no whole safetensors file ({_first_line(error)})", _ADVICE) from error


def _pickle_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        if re.search(r"unsupported global\b", str(error), re.IGNORECASE):
            raise ValueError(
                f"{path} holds Python objects besides weights, which could run code when they are read: it is not "
                'loaded. Where you trust it, write its weights as safetensors: python -c "import torch; from '
                "safetensors.torch import save_file; save_file({name: value.clone() for name, value in torch.load("
                f"'{path}', weights_only=False).items() if hasattr(value, 'clone')}}, 'model.safetensors')\""
            ) from error
        # torch's own words advise to run whatever the file holds.
        raise DamagedError(path, f"its weights cannot be read ({type(error).__name__})", _ADVICE) from error
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise DamagedError(path, "it holds no weights by their names", _ADVICE)
    return {name: tuple(value.shape) for name, value in state.items() if isinstance(value, torch.Tensor)}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
