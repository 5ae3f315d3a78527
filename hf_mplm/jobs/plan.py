"""What a piece of work depends on, so that it is only continued with what it began with."""

from __future__ import annotations

from typing import Any


__all__ = ["Plan", "is_plan", "plan_differences"]

Plan = dict[str, Any]


def is_plan(value: Any) -> bool:
    """Whether JSON that was read has the shape of a plan."""
    if not isinstance(value, dict) or not isinstance(value.get("identity"), dict):
        return False
    files = value.get("files", [])
    return isinstance(files, list) and all(
        isinstance(file, dict) and {"name", "digest"} <= set(file) and isinstance(file["name"], str) for file in files
    )


def plan_differences(before: Plan, now: Plan) -> list[str]:
    """What two plans disagree on, one line each; empty if work on one continues the other."""
    old, new = before["identity"], now["identity"]
    lines = []
    for key in sorted(set(old) | set(new)):
        if old.get(key) == new.get(key):
            continue
        if key == "corpus":
            lines += _changed_files(before.get("files"), now.get("files", []))
        elif key == "tokenizer":
            then, today = (str(made.get(key))[:12] for made in (old, new))
            lines.append(f"another tokenizer: fingerprint {then} then, {today} now")
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
