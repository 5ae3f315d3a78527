"""The pretrained encoder that ships with the package: one file of 4-bit blocks (see START.md)."""

from __future__ import annotations

import json
import lzma
from importlib import resources
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from .blocks import BLOCK, from_blocks, to_blocks


__all__ = ["START_FILE", "pack_start", "start_file", "start_languages", "write_start"]

#: The file in the package with the sample's starting checkpoint.
START_FILE = "start.safetensors"

# In 16 bits: they are small, or begin at random rather than rounded.
_PLAIN = ("cls.", "position_embeddings", "token_type_embeddings")
_FILES = ("sentencepiece.bpe.model", "tokenizer.json", "tokenizer_config.json")
_SCALES, _PACKED, _FILE = ".scales", ".packed", "file."


def start_languages(path: str | Path | None = None) -> list[str]:
    """Codes of the language-scripts whose subwords the encoder that ships still has, sorted.

    Args:
        path (`str` or `Path`, *optional*): another file of [`pack_start`].
    """
    with _open(path) as file:
        languages: list[str] = json.loads(file.metadata()["languages"])
    return languages


def write_start(folder: str | Path, path: str | Path | None = None) -> Path:
    """Write the encoder that ships as an ordinary checkpoint in float32, with its LM head and its tokenizer.

    Args:
        folder (`str` or `Path`): where to.
        path (`str` or `Path`, *optional*): another file of [`pack_start`].

    Returns:
        `Path`: the folder, for `AutoModelForMaskedLM.from_pretrained` and `AutoTokenizer.from_pretrained`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {}
    with _open(path) as file:
        for name in file.keys():  # noqa: SIM118 (it is no mapping)
            if name.startswith(_FILE):
                (folder / name.removeprefix(_FILE)).write_bytes(lzma.decompress(file.get_tensor(name).tobytes()))
            elif name.endswith(_SCALES):
                whole = name.removesuffix(_SCALES)
                weights[whole] = from_blocks(file.get_tensor(name), file.get_tensor(whole + _PACKED))
            elif not name.endswith(_PACKED):
                weights[name] = file.get_tensor(name).astype(np.float32)
        (folder / "config.json").write_text(file.metadata()["config"], encoding="utf-8")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def pack_start(folder: str | Path, path: str | Path, languages: list[str]) -> Path:
    """Pack a checkpoint and its tokenizer into one file, matrices in 4-bit blocks and all else in 16 bits.

    Args:
        folder (`str` or `Path`): the checkpoint, with the files of an `XLMRobertaTokenizer`.
        path (`str` or `Path`): the file.
        languages (`list[str]`): codes of the language-scripts whose subwords its vocabulary has.

    Returns:
        `Path`: the file.
    """
    folder, path = Path(folder), Path(path)
    packed: dict[str, np.ndarray] = {}
    with safe_open(folder / "model.safetensors", "np") as file:
        for name in file.keys():  # noqa: SIM118 (it is no mapping)
            weight = file.get_tensor(name)
            if weight.ndim == 2 and weight.shape[1] % BLOCK == 0 and not any(part in name for part in _PLAIN):
                packed[name + _SCALES], packed[name + _PACKED] = to_blocks(weight)
            else:
                packed[name] = weight.astype(np.float16)
    for name in _FILES:
        packed[_FILE + name] = np.frombuffer(lzma.compress((folder / name).read_bytes(), preset=9), np.uint8)
    config = (folder / "config.json").read_text(encoding="utf-8")
    save_file(packed, path, metadata={"config": config, "languages": json.dumps(sorted(languages))})
    return path


def start_file() -> Path:
    """The file that ships. A package in a zip file has no such path, but nobody puts torch into one."""
    return Path(str(resources.files(__package__) / START_FILE))


def _open(path: str | Path | None) -> safe_open:
    return safe_open(path or start_file(), "np")
