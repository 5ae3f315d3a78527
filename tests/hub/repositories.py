"""What a Hub keeps: repositories with commits and files; and what may go wrong with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


__all__ = ["Blob", "Fault", "Repository", "Request"]


class Request(NamedTuple):
    """What a client asked: method, path, and the headers that it sent."""

    method: str
    path: str
    headers: dict[str, str]


class Blob(NamedTuple):
    """A file of a commit: its content, and whether it stands in large-file storage."""

    content: bytes
    large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        """What git calls it; of a large file, its pointer."""
        text = self.content
        if self.large:
            pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(text)}\n"
            text = pointer.encode()
        return hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest()


@dataclass
class Repository:
    """Commits with all their files, and what points at them."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, ref: str, files: dict[str, Blob], message: str) -> str:
        parent = self.refs.get(ref)
        tree = "".join(f"{name} {blob.oid}\n" for name, blob in sorted(files.items()))
        oid = hashlib.sha1(f"{parent} {message} {len(self.commits)} {tree}".encode()).hexdigest()
        self.commits[oid], self.parents[oid], self.messages[oid] = files, parent, message
        self.refs[ref] = oid
        return oid

    def find(self, revision: str) -> str | None:
        names = (f"refs/heads/{revision}", f"refs/tags/{revision}", revision)
        found = next((self.refs[name] for name in names if name in self.refs), None)
        return found or next((oid for oid in self.commits if revision == oid), None)


@dataclass
class Fault:
    """Something that goes wrong at the n-th request that fits.

    Args:
        method (`str`): of the request.
        path (`str`): a pattern that is found in its path.
        what (`int` or `str`, *optional*): a status; `None`: nothing, but for `before`; `"cut"`: the connection ends
            unanswered, before anything is done; `"lost"`: the same, after it was done.
        first (`int`, *optional*, defaults to 1): at which of the requests that fit, counted from 1.
        times (`int`, *optional*, defaults to 1): how often in a row.
        before (`Callable`, *optional*): is called when it strikes.
    """

    method: str
    path: str
    what: int | str | None
    first: int = 1
    times: int = 1
    before: Callable[[], object] | None = None
    seen: int = 0

    def strikes(self, method: str, path: str) -> bool:
        if method != self.method or not re.search(self.path, path):
            return False
        self.seen += 1
        return self.first <= self.seen < self.first + self.times
