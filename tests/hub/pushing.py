"""Pushes in processes of their own, which see the loopback Hub and no other.

`python -m tests.hub.pushing [TIMES]` kills a push at random moments, pushes again, and prints what came of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .server import LoopbackHub


ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "somebody/thing"
# In front of a client's code: what it tries again is tested, and not how long it waits before.
IMPATIENT = """
import time
wait = time.sleep
time.sleep = lambda seconds: wait(seconds / 20)
"""
# Imports once, and forks a process for every push that a line asks for; tells its number first and its outcome last.
PUSHER = """
import json, os, sys
from pathlib import Path
from huggingface_hub import HfApi
from hf_mplm.hub.publish_commit import Target, commit_files
print("ready", flush=True)
for line in sys.stdin:
    folder, target = json.loads(line)
    child = os.fork()
    if child:
        print(child, flush=True)
        os.waitpid(child, 0)
        print("end", flush=True)
        continue
    try:
        files = {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file()}
        files["hf_mplm.json"] = json.dumps({"files": sorted([*files, "hf_mplm.json"])}).encode()
        told = commit_files(HfApi(), Target(*target), files, "push")._asdict()
    except BaseException as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    os.write(1, (json.dumps(told) + chr(10)).encode())
    os._exit(0)
"""


class Pusher:
    """A client with its imports behind it, whose pushes are processes that can be killed."""

    def __init__(self, hub: LoopbackHub, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PUSHER],
            env={**hub.environment(home), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=home,
        )
        assert self._line() == "ready"

    def __enter__(self) -> Pusher:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def push(self, folder: Path, kill_after: float | None = None) -> dict[str, object] | None:
        """Push all files of a folder; what came of it, or `None` if the push was killed before it was done."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(folder), [REPOSITORY]]) + "\n")
        self._process.stdin.flush()
        number = int(self._line())
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):  # it was done already
                os.kill(number, signal.SIGKILL)
        told = self._line()
        if told == "end":
            return None
        assert self._line() == "end"
        return json.loads(told)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


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


def push(hub: LoopbackHub, home: Path, *words: str) -> tuple[int, str, str]:
    """`hf-mplm push` with these words."""
    return finish(start(hub, home, "-m", "hf_mplm", "push", *words))


def make_files(folder: Path, version: int, count: int = 12) -> dict[str, bytes]:
    """A folder of small and large files, which differ between versions; the last file has the version's name."""
    content = {
        f"model-{part:05d}-of-{count:05d}.safetensors": bytes([version, part]) * 200_000 for part in range(count)
    }
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
    files = work / "files"
    versions = {0: make_files(files, 0, count)}
    with LoopbackHub() as hub, Pusher(hub, work) as pusher:
        before = time.monotonic()
        told = pusher.push(files)
        assert told and "error" not in told, told
        usual = time.monotonic() - before
        for number in range(1, times + 1):
            versions[number] = make_files(files, number, count)
            wait = 0.8 * usual * drawn.random()
            killed = pusher.push(files, kill_after=wait) is None
            arrived, sound = len(hub.uploads), whole(hub, versions)
            committed = f"only-{number}.txt" in hub.files(REPOSITORY)
            told = pusher.push(files) or {}
            own = hub.files(REPOSITORY)
            ended = "error" not in told and all(own[name] == data for name, data in versions[number].items())
            ended = ended and f"only-{number - 1}.txt" not in own and whole(hub, versions)
            rows.append(
                {
                    "time": number,
                    "killed after": round(wait, 2),
                    "while it ran": killed,
                    "blobs arrived": arrived - count * number,
                    "was committed": committed,
                    "all revisions whole": sound,
                    "ended with its version": ended,
                    "commits": len(hub.history(REPOSITORY)) - 1,
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
