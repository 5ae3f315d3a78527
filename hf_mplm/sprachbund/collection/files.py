"""Which files of a collection's folder make the collection: what is published, fetched, and held against digests."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import xxhash

from hf_mplm.jobs.digests import DIGESTS_FILE, find_damage, listed_files, write_digests
from hf_mplm.jobs.files import read_json

from ..clusters.sprachbunds import SPRACHBUNDS_FILE


__all__ = [
    "BASE_FOLDER",
    "VECTORS_FOLDER",
    "copy_base",
    "download_collection",
    "finished_digest",
    "listed_digest",
    "published_names",
]

VECTORS_FOLDER, BASE_FOLDER = "vectors", "base"

# What is loaded: no code, no pickled weights, and no state of a training, whose files say where on a machine it ran.
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_LOADED = (
    *("config.json", "adapter_config.json", *_WEIGHTS),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "*.model", "vectors.json"),
)
_TOLD = (SPRACHBUNDS_FILE, DIGESTS_FILE, "README.md")


def published_names(folder: Path, loaded: bool = True) -> list[str]:
    """The files of one folder of a collection that are published, sorted.

    Args:
        folder (`Path`): the folder.
        loaded (`bool`, *optional*, defaults to `True`): whether a model or vectors are loaded from it.
    """
    patterns = (*_LOADED, *_TOLD) if loaded else _TOLD
    return sorted(path.name for path in folder.iterdir() if path.is_file() and _matches(path.name, patterns))


def download_collection(repo_id: str, revision: str | None = None) -> Path:
    """Fetch a collection from the Hub, or find it in the cache: what [`collection_files`] lists, and nothing else.

    Args:
        repo_id (`str`): such as `"me/collection"`.
        revision (`str`, *optional*): commit, tag or branch.

    Returns:
        `Path`: a folder of the cache.
    """
    from huggingface_hub import snapshot_download

    inside = [f"*/{name}" for name in (*_LOADED, *_TOLD)]
    return Path(snapshot_download(repo_id, revision=revision, allow_patterns=[*_TOLD, *inside]))


def copy_base(model: str, folder: Path) -> None:
    """Put a copy of a checkpoint into a collection, by which low-rank weights are merged.

    Args:
        model (`str`): folder or Hub id.
        folder (`Path`): where to; left as it is where it holds a whole copy.

    Raises:
        ValueError: if there are no safetensors, or code comes with it.
    """
    if folder.is_dir() and find_damage(folder) == []:
        return
    source = Path(model)
    if not source.is_dir():
        from huggingface_hub import snapshot_download

        source = Path(snapshot_download(model, allow_patterns=list(_LOADED)))
    names = sorted(path.name for path in source.iterdir() if path.is_file() and _matches(path.name, _LOADED))
    if not any(_matches(name, _WEIGHTS) for name in names):
        raise ValueError(
            f"{model} has no weights as safetensors, of which alone a collection is made; write them: python -c "
            f'"from transformers import AutoModelForMaskedLM as M; '
            f"M.from_pretrained('{model}').save_pretrained('new')\""
        )
    config: Any = read_json(source / "config.json") or {}
    if "auto_map" in config:
        raise ValueError(f"{model} comes with code of its own, which no collection holds; leave --delta out")
    staging = folder.with_name(f"_unfinished-{folder.name}")
    for old in (staging, folder):
        if old.exists():
            shutil.rmtree(old)
    staging.mkdir(parents=True)
    for name in names:
        shutil.copyfile(source / name, staging / name)
    write_digests(staging)
    staging.rename(folder)


def finished_digest(folder: Path) -> str | None:
    """A digest of a finished model, or `None` where it is not whole.

    Args:
        folder (`Path`): what `hf-mplm pretrain` wrote, with its digests, or what was published of it.
    """
    loaded = [name for name in listed_files(folder) if _matches(name, _LOADED)]
    if not (folder / "config.json").is_file() or find_damage(folder, loaded):
        return None
    return listed_digest(folder)


def listed_digest(folder: Path) -> str | None:
    """The same without reading the files themselves: of the list of their digests, or `None` where there is none.

    Args:
        folder (`Path`): what `hf-mplm pretrain` wrote.
    """
    listed = folder / DIGESTS_FILE
    return xxhash.xxh3_128_hexdigest(listed.read_bytes()) if listed.is_file() else None


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
