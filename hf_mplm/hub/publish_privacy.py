"""What must not be published: where files lie on a machine, who uses it, and tokens."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from huggingface_hub import get_token


__all__ = ["refuse_private", "without_places", "without_run_settings"]

_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}")
_HOME = re.compile(
    r"(?<![\w.:/])(?:/(?:home|Users|root)(?:/[^\s\"'`<>)]*)?|[A-Za-z]:\\\\?Users\\[^\s\"'`<>)]*)(?![\w])"
)
# Where a run was written and where it was to be sent.
_RUN_SETTINGS = ("output_dir", "logging_dir", "run_name", "resume_from_checkpoint", "local_rank")
_RUN_PREFIXES = ("hub_", "push_to_hub", "trackio_")


def without_run_settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Training arguments without places, accounts and tokens."""
    return {
        name: without_places(value)
        for name, value in arguments.items()
        if name not in _RUN_SETTINGS and not name.startswith(_RUN_PREFIXES)
    }


def without_places(value: Any) -> Any:
    """A JSON value in which every absolute path, and every path that exists here, is its last part alone."""
    if isinstance(value, Mapping):
        return {key: without_places(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_places(one) for one in value]
    return PurePath(value.replace("\\", "/")).name if isinstance(value, str) and _is_place(value) else value


def refuse_private(texts: Iterable[tuple[str, str]], folder: Path) -> None:
    """Refuse to publish a text that holds a token, a path into somebody's home or to the folder, or the host's name.

    Args:
        texts (`Iterable[tuple[str, str]]`): name of a file and its text.
        folder (`Path`): what is published.

    Raises:
        ValueError: naming file, line and kind of what was found; never a token itself.
    """
    token = get_token()
    resolved = str(folder.resolve())
    host, user = socket.gethostname(), _user()
    for name, text in texts:
        for number, line in enumerate(text.splitlines(), start=1):
            found = None
            if _TOKEN.search(line) or (token and token in line):
                found = "a token of the Hub"
            elif resolved in line or _HOME.search(line):
                found = "a path of this machine"
            elif len(host) > 5 and host != "localhost" and host in line:
                found = "the name of this machine"
            elif len(user) > 3 and re.search(rf"[/\\]{re.escape(user)}\b", line):
                found = "a path with your user name"
            if found:
                raise ValueError(
                    f"{name}, line {number}, holds {found}; take it out, and push again. Nothing was sent"
                )


def _is_place(text: str) -> bool:
    if len(text) > 4096 or "\n" in text:
        return False
    if text.startswith(("/", "~", "./", "../")) or re.match(r"[A-Za-z]:[\\/]|\\\\", text):
        return len(text) > 1
    return ("/" in text or os.sep in text) and Path(text).exists()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container whose user has no name
        return ""
