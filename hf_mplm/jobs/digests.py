"""Digests of content, so that damage that keeps a file's size is seen before its bytes are used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import xxhash

from hf_mplm._lists import as_list

from .files import DamagedError, read_json, write_json


__all__ = [
    "DIGESTS_FILE",
    "Damage",
    "digest_file",
    "digest_files",
    "find_damage",
    "listed_files",
    "refuse_damage",
    "write_digests",
]

DIGESTS_FILE = "digests.json"
_ALGORITHM = "xxh3_128"
_BLOCK = 1 << 20


class Damage(NamedTuple):
    """A file that is not as it was written.

    Args:
        name (`str`): its path within the folder.
        what (`str`): what is wrong with it.
    """

    name: str
    what: str


def digest_file(path: str | Path) -> str:
    """The xxh3-128 digest of a file's bytes, in hexadecimal. It tells damage, not malice."""
    digest = xxhash.xxh3_128()
    with open(path, "rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def digest_files(paths: str | Iterable[str | Path]) -> list[str]:
    """The digests of several files, read in parallel: hashing lets go of the interpreter's lock."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(digest_file, as_list(paths, keep_spaces=True)))


def write_digests(
    folder: Path, names: str | Iterable[str] | None = None, *, without: str | Iterable[str] = ()
) -> None:
    """Write size and digest of a folder's files into its `digests.json`, which is last to be written.

    Weights may then be read by whom this file may be read: safetensors writes them for their owner alone (0600), so
    that nobody else on a shared disk could load what is finished.

    Args:
        folder (`Path`): the folder.
        names (`str` or `Iterable[str]`, *optional*): paths within it; all files but hidden ones by default.
        without (`str` or `Iterable[str]`, *optional*): paths to leave out, of files that are meant to change.
    """
    chosen = sorted(
        set(_files(folder) if names is None else as_list(names, keep_spaces=True))
        - {DIGESTS_FILE, *as_list(without, keep_spaces=True)}
    )
    digests = digest_files(folder / name for name in chosen)
    files = {name: {"size": (folder / name).stat().st_size, "digest": digest} for name, digest in zip(chosen, digests)}
    write_json(folder / DIGESTS_FILE, {"algorithm": _ALGORITHM, "files": files})
    mode = (folder / DIGESTS_FILE).stat().st_mode & 0o777
    for name in chosen:
        if name.endswith(".safetensors"):
            (folder / name).chmod(mode)


def find_damage(
    folder: Path, names: str | Iterable[str] | None = None, advice: str = "Fetch or make it again."
) -> list[Damage] | None:
    """Hold a folder against its `digests.json`.

    Args:
        folder (`Path`): the folder.
        names (`str` or `Iterable[str]`, *optional*): the files to look at; all that were written down by default.
        advice (`str`, *optional*): what to do where `digests.json` itself is damaged, as a sentence.

    Returns:
        `list[Damage]` or `None`: the files that are missing, cut or changed; `None` where no digests were written.

    Raises:
        DamagedError: if `digests.json` itself cannot be read.
    """
    files = _read(folder, advice)
    if files is None:
        return None
    wanted = sorted(files if names is None else set(as_list(names, keep_spaces=True)) & set(files))
    found = [Damage(name, "it is missing") for name in wanted if not (folder / name).is_file()]
    there = [name for name in wanted if (folder / name).is_file()]
    sizes = {name: (folder / name).stat().st_size for name in there}
    for name in there:
        if sizes[name] != files[name]["size"]:
            found.append(Damage(name, f"it has {sizes[name]:,} bytes, {files[name]['size']:,} were written"))
    whole = [name for name in there if sizes[name] == files[name]["size"]]
    for name, digest in zip(whole, digest_files(folder / name for name in whole)):
        if digest != files[name]["digest"]:
            found.append(Damage(name, "its bytes are not those that were written"))
    return sorted(found)


def refuse_damage(folder: Path, advice: str, names: str | Iterable[str] | None = None) -> bool:
    """Raise if a folder is not as it was written.

    Args:
        folder (`Path`): the folder.
        advice (`str`): what to do, in one sentence.
        names (`str` or `Iterable[str]`, *optional*): the files to look at.

    Returns:
        `bool`: whether there were digests to hold it against.

    Raises:
        DamagedError: naming the first damaged file, and how many others there are.
    """
    damage = find_damage(folder, names, advice)
    if damage:
        more = f" (and {len(damage) - 1} other files)" if len(damage) > 1 else ""
        raise DamagedError(folder / damage[0].name, f"{damage[0].what}{more}", advice)
    return damage is not None


def listed_files(folder: Path) -> set[str]:
    """The files that a folder's `digests.json` lists; none where it is missing or cannot be read."""
    try:
        return set(_read(folder) or ())
    except DamagedError:
        return set()


def _read(folder: Path, advice: str = "") -> dict[str, dict[str, Any]] | None:
    written = read_json(folder / DIGESTS_FILE, advice)
    if written is None:
        return None
    files = written.get("files") if isinstance(written, dict) else None
    if (
        not isinstance(files, dict)
        or written.get("algorithm") != _ALGORITHM
        or not all(map(_is_entry, files.values()))
    ):
        raise DamagedError(folder / DIGESTS_FILE, f"it lists no {_ALGORITHM} digests", advice)
    return files


def _files(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    relative = (path.relative_to(folder) for path in paths)
    return [path.as_posix() for path in relative if not any(part.startswith(".") for part in path.parts)]


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("size"), int) and isinstance(entry.get("digest"), str)
