"""What was published is loaded back over HTTP, in fresh processes: artefact x stack x way of loading.

`python -m tests.hub.loading [--python NAME=PYTHON ...] [--artefacts NAME ...]` publishes checkpoints, static vectors,
low-rank weights, task modules, collections and exports by every stack, loads them by every stack in every way, by the
lines of their own cards among them, and prints the table. Numbers must be those of the folder, bit by bit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from .server import LoopbackHub


ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).with_name("loading_probe.py")
ARTEFACTS = (
    *("xlm-roberta", "bert", "modernbert", "static", "adapter", "module", "collection", "low-rank-collection"),
    *("sentences", "onnx"),
)
# With the package, as a stranger who has transformers alone, and from the cache, without the network.
WAYS = (("package", True), ("stranger", False), ("offline", True))


def call(
    python: str, hub: LoopbackHub | None, home: Path, *words: str, package: bool = True, offline: bool = False
) -> dict:
    """Run the probe in a process of its own; what it says last, as JSON."""
    home.mkdir(parents=True, exist_ok=True)
    environment = (hub or LoopbackHub()).environment(home, offline=offline or hub is None)
    # Without the package on its path a process is one of a stranger who has transformers alone.
    environment["PYTHONPATH"] = str(ROOT) if package else ""
    done = subprocess.run(
        [python, str(PROBE), *words],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][-300:] if done.stderr.strip() else "no word"}
    return json.loads(done.stdout.splitlines()[-1])


def table_of(
    pythons: dict[str, str],
    work: Path,
    artefacts: tuple[str, ...] = ARTEFACTS,
    ways: tuple[tuple[str, bool], ...] = WAYS,
) -> list[dict[str, str]]:
    """Publish and load everything.

    Args:
        pythons (`dict[str, str]`): name of a stack to its Python.
        work (`Path`): a folder for caches and checkpoints.
        artefacts (`tuple[str, ...]`, *optional*): what is published.
        ways (`tuple`, *optional*): what is loaded by, and whether with the package.

    Returns:
        `list[dict]`: a row an artefact, stack that published, stack that loaded, and way.
    """
    rows = []
    with LoopbackHub() as hub:
        for publisher, python in pythons.items():
            made = work / f"made-{publisher}"
            told = call(python, hub, work / f"home-{publisher}", "publish", str(made), publisher, *artefacts)
            if "error" in told:
                return [
                    {
                        "artefact": "all",
                        "published by": publisher,
                        "loaded by": "-",
                        "way": "push",
                        "outcome": told["error"],
                    }
                ]
            for loader, other in pythons.items():
                found: dict[str, dict[str, str]] = {}
                for way, package in ways:
                    home = work / f"home-{publisher}-{loader}-{'package' if package else 'stranger'}"
                    expected = json.dumps(told["expected"])
                    (work / "expected.json").write_text(expected, encoding="utf-8")
                    part = call(
                        other,
                        hub,
                        home,
                        "load",
                        way,
                        str(work / "expected.json"),
                        package=package,
                        offline=way == "offline",
                    )
                    if "error" in part:
                        part = {artefact: {way: part["error"]} for artefact in told["expected"]}
                    for artefact, outcomes in part.items():
                        found.setdefault(artefact, {}).update(outcomes)
                for artefact, outcomes in found.items():
                    for way, outcome in outcomes.items():
                        rows.append(
                            {
                                "artefact": artefact.partition("/")[2],
                                "published by": publisher,
                                "loaded by": loader,
                                "way": way,
                                "outcome": outcome,
                            }
                        )
        others = {request.headers.get("Host", "").split(":")[0] for request in hub.requests} - {"127.0.0.1"}
        assert not others, others
    return rows


def main() -> int:
    """Print the table; 0 if all of it is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", metavar="NAME=PYTHON", help="a stack; this Python by default")
    parser.add_argument("--artefacts", nargs="*", default=ARTEFACTS, choices=ARTEFACTS)
    words = parser.parse_args()
    given = words.python or [f"here={sys.executable}"]
    pythons = dict(one.split("=", 1) for one in given)
    with tempfile.TemporaryDirectory() as scratch:
        rows = table_of(pythons, Path(scratch), tuple(words.artefacts))
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(row.values()) + " |")
    good = sum(row["outcome"] == "equal" for row in rows)
    print(f"\n{good} of {len(rows)} load as the folder does")
    return good != len(rows)


if __name__ == "__main__":
    sys.exit(main())
