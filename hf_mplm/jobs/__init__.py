"""Work that goes on where it stopped: whole files, its plan, its lock, its parts, the engines that run them.

Imports nothing of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .digests import Damage, digest_files, find_damage, refuse_damage, write_digests
    from .files import DamagedError, atomic_write, explain_full_disk, parse_json, read_json, write_json
    from .lock import FolderInUseError, hold_folder

__all__ = [
    "Damage",
    "DamagedError",
    "FolderInUseError",
    "atomic_write",
    "digest_files",
    "explain_full_disk",
    "find_damage",
    "hold_folder",
    "parse_json",
    "read_json",
    "refuse_damage",
    "write_digests",
    "write_json",
]

_NAMES = {
    "digests": [
        "Damage",
        "digest_files",
        "find_damage",
        "refuse_damage",
        "write_digests",
    ],
    "files": [
        "DamagedError",
        "atomic_write",
        "explain_full_disk",
        "parse_json",
        "read_json",
        "write_json",
    ],
    "lock": [
        "FolderInUseError",
        "hold_folder",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
