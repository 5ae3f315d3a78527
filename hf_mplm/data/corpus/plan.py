"""What a store is prepared from, so that work is only continued with what it began with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hf_mplm.jobs.plan import Plan

from .hub_source import hub_revision
from .options import ReadOptions
from .segments import Segment, SourceFile, split_into_segments


__all__ = ["check_unchanged", "group_segments", "make_plan"]

_FORMAT = 1


def make_plan(
    files: Sequence[SourceFile], options: ReadOptions, settings: dict[str, Any], known: Plan | None = None
) -> Plan:
    """Describe everything that the content of a store depends on.

    Args:
        files (`Sequence[SourceFile]`): the corpus.
        options (`ReadOptions`): how it is read.
        settings (`dict[str, Any]`): fingerprint of the tokenizer, chunk length and the like.
        known (`dict`, *optional*): an earlier plan; a file of the same size and time is not read again for its digest.

    Returns:
        `dict`: `identity`, flat and comparable, and `files`.
    """
    old = {entry["name"]: entry for entry in (known or {}).get("files", [])}
    revisions: dict[str, str | None] = {}

    def describe(file: SourceFile) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": file.name, "kind": file.kind, "language": file.language, "size": file.size}
        if file.kind == "hub":
            return {**entry, "digest": revisions[file.path]}
        entry["modified_ns"] = Path(file.path).stat().st_mtime_ns
        before = old.get(file.name, {})
        same = all(before.get(key) == entry[key] for key in ("size", "modified_ns"))
        return {**entry, "digest": before["digest"] if same else _digest(file.path)}

    for file in files:
        if file.kind == "hub" and file.path not in revisions:
            revisions[file.path] = hub_revision(file.path, options)
    # hashlib lets go of the interpreter's lock, so that threads read as fast as the disk gives.
    with ThreadPoolExecutor() as pool:
        entries = list(pool.map(describe, files))
    contents = [[Path(entry["name"]).name, entry["kind"], entry["language"], entry["digest"]] for entry in entries]
    corpus = hashlib.blake2b(json.dumps(contents).encode(), digest_size=16).hexdigest()
    identity = {"format": _FORMAT, **settings, **asdict(options), "corpus": corpus}
    if identity["languages"] is not None:
        identity["languages"] = sorted(identity["languages"])
    return {"identity": identity, "files": entries}


def _digest(path: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_unchanged(plan: Plan, files: Sequence[SourceFile]) -> None:
    """Raise `ValueError` if a file is not as it was when the plan was made."""
    for file, entry in zip(files, plan["files"]):
        if file.kind != "hub":
            found = Path(file.path).stat()
            if (found.st_size, found.st_mtime_ns) != (entry["size"], entry["modified_ns"]):
                raise ValueError(f"{file.name} was changed while it was read; repeat the command with --overwrite")


def group_segments(files: Sequence[SourceFile], nominal_bytes: int) -> list[tuple[Segment, ...]]:
    """Divide a corpus into pieces of about `nominal_bytes` of text, whatever the number of processes."""
    groups: list[tuple[Segment, ...]] = []
    group: list[Segment] = []
    weight = 0
    for file in files:
        for segment in split_into_segments(file, nominal_bytes):
            if group and weight + segment.weight > nominal_bytes:
                groups.append(tuple(group))
                group, weight = [], 0
            group.append(segment)
            weight += segment.weight
    if group:
        groups.append(tuple(group))
    return groups
