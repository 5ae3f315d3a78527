"""What a benchmark's folder has and what of it is not used: every file that is passed over is told, with why."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


__all__ = ["Findings", "PassedOver", "list_files", "tell"]

logger = logging.getLogger(__name__)

# What stands beside data and is none.
DOCUMENTS = ("readme", "license", "licence", "copying", "changelog", "contributing", "citation")
# Names that a line on the screen shows of those that share a reason.
SHOWN = 5

_told: set[tuple[str, str]] = set()


def list_files(folder: Path, *, deep: bool = True) -> list[Path]:
    """List the files of a folder, without pipes and links that lead nowhere.

    Args:
        folder (`Path`): The folder, which need not exist.
        deep (`bool`, *optional*, defaults to `True`): Whether folders in it are entered.

    Returns:
        `list[Path]`: The files, sorted.
    """
    if not folder.is_dir():
        return []
    return sorted(path for path in (folder.rglob("*") if deep else folder.iterdir()) if path.is_file())


class PassedOver(NamedTuple):
    """A file or folder that was found and not used.

    Args:
        path (`str`): Where it is.
        reason (`str`): Why, as a clause.
    """

    path: str
    reason: str


def tell(entries: Iterable[PassedOver]) -> None:
    """Log what was passed over, by reason, each of it once a process.

    Args:
        entries (`Iterable[PassedOver]`): The files and folders.
    """
    by_reason: dict[str, list[str]] = {}
    for entry in entries:
        if entry not in _told:
            _told.add((entry.path, entry.reason))
            by_reason.setdefault(entry.reason, []).append(entry.path)
    for reason, paths in by_reason.items():
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        logger.warning("not used: %s%s: %s", ", ".join(paths[:SHOWN]), more, reason)


class Findings:
    """What was found in one folder.

    Args:
        folder (`Path`): The folder.
        layout (`str`, *optional*): What the files that are read are called, for the reason why another is not. Without
            it only what [`leave`] names is reported, as where the folder belongs to another benchmark.
    """

    def __init__(self, folder: Path, layout: str | None = None) -> None:
        self.folder, self.layout = folder, layout
        self._used: set[Path] = set()
        self._left: dict[Path, str] = {}

    def use(self, paths: Iterable[Path]) -> None:
        """Note files that are read.

        Args:
            paths (`Iterable[Path]`): The files.
        """
        self._used.update(paths)

    def leave(self, paths: Iterable[Path], reason: str) -> None:
        """Note files or folders that are not read, and say so.

        Args:
            paths (`Iterable[Path]`): The files or folders.
            reason (`str`): Why.
        """
        new = {path: reason for path in paths if path not in self._used}
        self._left.update(new)
        tell(PassedOver(str(path), why) for path, why in new.items())

    def note(self, text: str) -> None:
        """Say something about what is read, once a process.

        Args:
            text (`str`): A sentence.
        """
        if ("", text) not in _told:
            _told.add(("", text))
            logger.warning("%s", text)

    def passed_over(self) -> list[PassedOver]:
        """List what is not used.

        Returns:
            `list[PassedOver]`: By path. A folder of which nothing is used, for one reason, is one entry.
        """
        left = {path: reason for path, reason in self._left.items() if path not in self._used}
        if self.layout is not None:
            known = {*self._used, *left}
            parents = {parent for path in known for parent in path.parents}
            for path, names in _walk(self.folder, left):
                if path not in parents and path != self.folder:
                    if not any(parent in left for parent in path.parents):
                        left[path] = f"nothing in it is named {self.layout}"
                    continue
                for name in names:
                    file = path / name
                    if file not in known and not _is_document(name):
                        left[file] = self._reason(file)
        return [PassedOver(str(path), reason) for path, reason in sorted(left.items())]

    def _reason(self, path: Path) -> str:
        if not path.is_file():
            return "it is a link that leads nowhere" if path.is_symlink() else "it is a pipe or a device, no file"
        return f"it is not named {self.layout}"


def _walk(folder: Path, left: Iterable[Path]) -> Iterable[tuple[Path, Sequence[str]]]:
    """Each folder that holds files or nothing, with their names; what is left as a whole is not entered."""
    left = set(left)
    for root, folders, files in os.walk(folder):
        path = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and path / name not in left)
        if files or not folders:
            yield path, sorted(files)


def _is_document(name: str) -> bool:
    return name.startswith(".") or name.lower().split(".")[0] in DOCUMENTS
