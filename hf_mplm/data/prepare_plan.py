"""What a store is prepared from, so that work is only continued with what it began with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .readers import Segment, split_into_segments
from .sources import ReadOptions, SourceFile


__all__ = ["Plan", "check_unchanged", "group_segments", "make_plan", "plan_differences"]

Plan = dict[str, Any]

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
            from .hub_source import hub_revision

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


def plan_differences(before: Plan, now: Plan) -> list[str]:
    """What two plans disagree on, one line each; empty if work on one continues the other."""
    old, new = before["identity"], now["identity"]
    lines = []
    for key in sorted(set(old) | set(new)):
        if old.get(key) == new.get(key):
            continue
        if key == "corpus":
            lines += _changed_files(before.get("files"), now["files"])
        elif key == "tokenizer":
            lines.append(f"another tokenizer: fingerprint {old[key][:12]} then, {new[key][:12]} now")
        else:
            lines.append(f"{key}: {old.get(key)!r} then, {new.get(key)!r} now")
    return lines


def _changed_files(before: list[dict[str, Any]] | None, now: list[dict[str, Any]]) -> list[str]:
    if before is None:
        return ["the corpus: other text or other files now"]
    old = {entry["name"]: entry for entry in before}
    new = {entry["name"]: entry for entry in now}
    changes = {
        "changed": [name for name in old if name in new and old[name]["digest"] != new[name]["digest"]],
        "new": [name for name in new if name not in old],
        "gone": [name for name in old if name not in new],
    }
    shown = [
        f"the corpus, {change}: {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        for change, names in changes.items()
        if names
    ]
    return shown or ["the corpus: its files are read in another order or as other languages now"]


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
