"""The files below a folder, with links followed once, and what was met that is no file to read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from .quoting import shorten


__all__ = ["Note", "describe_special", "walk_files"]

Note = Callable[[Path, str], None]


def walk_files(root: Path, pass_over: Note) -> list[Path]:
    """The regular files below a folder, in the order of the parts of their paths.

    What a link leads to is read as if it stood there, unless it is read anyway: because it is below the folder, or
    because another link leads there.

    Args:
        root (`Path`): the folder.
        pass_over (`Callable[[Path, str], None]`): receives what is not read, and why.

    Raises:
        OSError: if a folder cannot be listed.
    """
    found: dict[str, Path] = {}
    folders = {os.path.realpath(root)}
    links: list[Path] = []
    _walk(root, folders, found, links, pass_over)
    while links:
        link = links.pop(0)
        target = os.path.realpath(link)
        if os.path.isdir(link):
            above = Path(target) in Path(os.path.realpath(link.parent)).parents or target == os.path.realpath(
                link.parent
            )
            if target in folders:
                pass_over(link, "a link to a folder above it" if above else f"a link to {_shown(target)}, read anyway")
                continue
            folders.add(target)
            _walk(link, folders, found, links, pass_over)
            links.sort()
        elif os.path.isfile(link):
            _add(link, found, pass_over)
        elif os.path.exists(link):
            pass_over(link, f"a link to {describe_special(link)}")
        else:
            pass_over(link, "a link that leads nowhere")
    return sorted(found.values(), key=lambda path: path.relative_to(root).parts)


def _walk(folder: Path, folders: set[str], found: dict[str, Path], links: list[Path], pass_over: Note) -> None:
    """Gather the files of a folder and of those below it; its links are put by."""
    waiting = [folder]
    while waiting:
        for entry in _entries(waiting.pop()):
            path = Path(entry.path)
            if entry.name.startswith("."):
                pass_over(path, "hidden")
            elif entry.is_symlink():
                links.append(path)
            elif entry.is_dir():
                real = os.path.realpath(path)
                if real not in folders:
                    folders.add(real)
                    waiting.append(path)
                elif folder.is_symlink():
                    pass_over(path, f"below a link, and {_shown(real)} is read anyway")
            elif entry.is_file():
                _add(path, found, pass_over)
            else:
                pass_over(path, describe_special(path))
    links.sort()


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from sorted(entries, key=lambda entry: entry.name)


def _add(path: Path, found: dict[str, Path], pass_over: Note) -> None:
    real = os.path.realpath(path)
    if real in found:
        pass_over(path, f"a link to {_shown(real)}, read anyway")
    else:
        found[real] = path


def _shown(path: str) -> str:
    return shorten(path, 120)


def describe_special(path: Path) -> str:
    """What something is that is neither a file nor a folder, as a clause."""
    mode = path.stat().st_mode
    for test, what in (
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return f"{what}, which can be read only once; write it into a file"
    return "neither a file nor a folder"
