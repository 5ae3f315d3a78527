"""Damage to a folder, as disks, copies and people do it, and what has to be said of it."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

from hf_mplm.jobs.digests import DIGESTS_FILE

from .running import run
from .workshop import Workshop


__all__ = ["damage_once"]

KINDS = ("flip", "flip", "cut", "empty", "zeros", "delete", "swap")
JSON_KINDS = ("null", "twice", "deep", "digits")


def damage_once(workshop: Workshop, seed: int) -> list[str]:
    """Damage a copy of one artefact, run the command that reads it, and say what was wrong with the answer."""
    draw = random.Random(seed)
    artefact = draw.choice(workshop.artefacts())
    copy, output = workshop.copy(artefact, f"damaged-{seed}"), workshop.folder / f"output-{seed}"
    files = sorted(path for path in copy.rglob("*") if path.is_file() and not path.name.startswith("."))
    if artefact.name == "run":
        # What is in the run's folder besides its checkpoints is written anew at the end.
        last = max(copy.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
        files = [path for path in files if last in path.parents]
    path = draw.choice(files)
    kind = draw.choice(KINDS + JSON_KINDS if path.suffix == ".json" else KINDS)
    before = path.read_bytes()
    _damage(path, kind, draw, draw.choice(files))
    changed = not path.is_file() or path.read_bytes() != before
    done = run(artefact.command(copy, output))
    title = f"seed {seed}, {artefact.name}, {kind} {path.relative_to(copy)}"
    faults = [f"{title}: {done.fault}"] if done.fault else []
    listed = changed and artefact.ours and (_listed(copy, path) or path.name == DIGESTS_FILE)
    told = path.name in done.output or path.parent.name in done.output
    if listed and done.status == 0 and not told:
        faults.append(f"{title}: silent")
    if done.status == 2 and not told and str(copy) not in done.output:
        faults.append(f"{title}: refused without the name: {done.output.strip()[-300:]}")
    shutil.rmtree(copy)
    shutil.rmtree(output, ignore_errors=True)
    return faults


def _listed(copy: Path, path: Path) -> bool:
    for folder in [path.parent, *path.parent.parents]:
        digests = folder / DIGESTS_FILE
        if digests.is_file() and path.relative_to(folder).as_posix() in digests.read_text(encoding="utf-8"):
            return True
        if folder == copy:
            break
    return False


def _damage(path: Path, kind: str, draw: random.Random, other: Path) -> None:
    data = bytearray(path.read_bytes())
    if kind == "delete":
        path.unlink()
        return
    if kind == "flip" and data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del data[draw.randrange(len(data) or 1) :]
    elif kind == "empty":
        data.clear()
    elif kind == "zeros" and data:
        start = draw.randrange(len(data))
        data[start : start + 4096] = bytes(len(data[start : start + 4096]))
    elif kind == "swap":
        data = bytearray(other.read_bytes())
    elif kind in ("null", "deep", "digits"):
        data = bytearray({"null": b"null", "deep": b"[" * 100_000, "digits": b'{"a": ' + b"9" * 5_000 + b"}"}[kind])
    elif kind == "twice":
        value = json.loads(data)
        if isinstance(value, dict) and value:
            key = draw.choice(sorted(value))
            data = bytearray(b"{" + f"{json.dumps(key)}: null, ".encode() + json.dumps(value).encode()[1:])
    path.write_bytes(data)
