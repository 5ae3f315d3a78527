"""Pushes in processes of their own, which see the loopback Hub and no other.

As a command, `python -m tests.hub.pushing [TIMES]` kills a push at random moments and pushes again, and prints what came
of it.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .server import LoopbackHub


ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "somebody/thing"
# Without torch, so that a push takes a second: the last step of a push alone.
COMMIT = """
import json, sys
from pathlib import Path
from huggingface_hub import HfApi
from hf_mplm.hub.publish_commit import Target, commit_files
folder, target, record = Path(sys.argv[1]), Target(*json.loads(sys.argv[2])), "hf_mplm.json"
files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
files[record] = json.dumps({"files": sorted([*files, record])}).encode()
try:
    print(json.dumps(commit_files(HfApi(), target, files, "push")._asdict()))
except (ValueError, OSError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def start(hub: LoopbackHub, home: Path, *words: str) -> subprocess.Popen:
    """Start Python with these words on its command line."""
    return subprocess.Popen(
        [sys.executable, *words],
        env={**hub.environment(home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
    )


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    """Status, standard output and standard error."""
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def commit(hub: LoopbackHub, home: Path, folder: Path, *target: object) -> tuple[int, str, str]:
    """Push all files of a folder as they are."""
    words = json.dumps([REPOSITORY, *target] if target else [REPOSITORY])
    return finish(start(hub, home, "-c", COMMIT, str(folder), words))


def push(hub: LoopbackHub, home: Path, *words: str) -> tuple[int, str, str]:
    """`hf-mplm push` with these words."""
    return finish(start(hub, home, "-m", "hf_mplm", "push", *words))


def make_files(folder: Path, version: int, count: int = 12) -> dict[str, bytes]:
    """A folder of small and large files, which differ between versions; the last file has the version's name."""
    content = {f"model-{part:05d}-of-{count:05d}.safetensors": bytes([version, part]) * 200_000 for part in range(count)}
    content |= {"config.json": json.dumps({"version": version}).encode(), f"only-{version}.txt": b"here"}
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return content


def whole(hub: LoopbackHub, versions: dict[int, dict[str, bytes]]) -> bool:
    """Whether every commit of the branch is the first one, or all of one version and nothing of another."""
    for oid in hub.history(REPOSITORY):
        files = hub.files(REPOSITORY, oid)
        own = {name: data for name, data in files.items() if name not in (".gitattributes", "hf_mplm.json")}
        if own and own not in versions.values():
            return False
    return True


def kill_and_push(times: int, work: Path, seed: int = 0, count: int = 12) -> list[dict[str, object]]:
    """Push, kill, push again, `times` times; each time another version, killed somewhere else.

    Returns:
        `list[dict]`: of each time: when it was killed, whether it was still running, whether all revisions are whole,
        whether the branch ended with the version that was pushed, and how many blobs were sent twice.
    """
    rows: list[dict[str, object]] = []
    drawn = random.Random(seed)
    versions: dict[int, dict[str, bytes]] = {}
    with LoopbackHub() as hub:
        before = time.monotonic()
        versions[0] = make_files(work / "files", 0, count)
        status, _, said = commit(hub, work, work / "files")
        assert status == 0, said
        usual = time.monotonic() - before
        for number in range(1, times + 1):
            versions[number] = make_files(work / "files", number, count)
            process = start(hub, work, "-c", COMMIT, str(work / "files"), json.dumps([REPOSITORY]))
            # The first half of a push is imports, in which nothing can happen.
            wait = usual * (0.35 + 0.65 * drawn.random())
            time.sleep(wait)
            process.kill()
            process.communicate()
            in_time = process.returncode == -9
            sound = whole(hub, versions)
            head = hub.history(REPOSITORY)[0]
            there = {name for name in hub.files(REPOSITORY, head) if name == f"only-{number}.txt"}
            status, out, said = commit(hub, work, work / "files")
            own = hub.files(REPOSITORY)
            ended = status == 0 and all(own[name] == data for name, data in versions[number].items())
            ended = ended and f"only-{number - 1}.txt" not in own and whole(hub, versions)
            rows.append(
                {
                    "time": number,
                    "killed after": round(wait, 2),
                    "while it ran": in_time,
                    "was committed": bool(there),
                    "all revisions whole": sound,
                    "ended with its version": ended,
                    "commits": len(hub.history(REPOSITORY)) - 2,
                    "sent twice": len(hub.uploads) - len(set(hub.uploads)),
                }
            )
    return rows


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        table = kill_and_push(int(sys.argv[1]) if len(sys.argv) > 1 else 20, Path(scratch))
    print(" | ".join(table[0]))
    for row in table:
        print(" | ".join(map(str, row.values())))
    good = sum(bool(row["all revisions whole"] and row["ended with its version"]) for row in table)
    print(f"{good} of {len(table)} ended with their version, and no revision was ever half there")
    sys.exit(good != len(table))
