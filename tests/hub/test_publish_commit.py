"""One commit a push, whatever happens on the way. A repository a scenario, all in one process of a client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pushing import IMPATIENT, finish, kill_and_push, start
from .server import Blob, Fault, LoopbackHub


CLIENT = """
import json
from huggingface_hub import HfApi
from hf_mplm.hub.publish_commit import Target, commit_files
api = HfApi()
def push(name, *files, **target):
    content = {one: f"{name} {one}".encode() * (50 if one.endswith("safetensors") else 1) for one in files}
    content["hf_mplm.json"] = json.dumps({"files": [*files, "hf_mplm.json"]}).encode()
    try:
        return commit_files(api, Target(f"{name}", **target), content, "push")._asdict()
    except (ValueError, OSError) as error:
        return {"error": type(error).__name__, "says": str(error)}
told = {}
told["first"] = push("somebody/again", "a.txt", "w.safetensors")
told["second"] = push("somebody/again", "a.txt", "w.safetensors")
told["fewer"] = push("somebody/others", "a.txt", "b.txt")
told["without b"] = push("somebody/others", "a.txt")
for name in ("lost", "moved", "busy", "cut"):
    told[name] = push(f"somebody/{name}", "a.txt", "w.safetensors")
told["request"] = push("somebody/request", "a.txt", create_pr=True)
told["unknown"] = push("somebody/unknown", "a.txt")
told["forbidden"] = push("else/where", "a.txt")
told["branch"] = push("somebody/branch", "a.txt", branch="v2", tag="v2.0")
told["same tag"] = push("somebody/branch", "a.txt", branch="v2", tag="v2.0")
told["other tag"] = push("somebody/branch", "b.txt", branch="v2", tag="v2.0")
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LoopbackHub, dict[str, dict]]]:
    with LoopbackHub() as hub:

        def somebody_else(name: str) -> None:
            repository = hub.repositories["model", name]
            files = repository.commits[repository.refs["refs/heads/main"]]
            repository.commit("refs/heads/main", files | {"theirs.md": Blob(b"theirs", False)}, "from a browser")

        hub.faults = [
            Fault("POST", "somebody/lost/commit", "lost"),
            Fault("POST", "somebody/request/commit", "lost"),
            Fault("POST", "somebody/moved/commit", None, before=lambda: somebody_else("somebody/moved")),
            Fault("POST", "somebody/others/commit", None, first=2, before=lambda: somebody_else("somebody/others")),
            Fault("POST", "somebody/busy/commit", 503, times=2),
            Fault("POST", "somebody/cut/commit", "cut"),
            Fault("POST", "somebody/unknown/commit", 401),
        ]
        status, out, err = finish(start(hub, tmp_path_factory.mktemp("home"), "-c", IMPATIENT + CLIENT))
        assert status == 0, err[-3000:]
        yield hub, json.loads(out.splitlines()[-1])


def test_the_same_content_again_makes_no_commit(pushed: tuple[LoopbackHub, dict[str, dict]]) -> None:
    hub, told = pushed
    assert told["first"]["changed"] and not told["second"]["changed"]
    assert told["first"]["commit"] == told["second"]["commit"]
    assert len(hub.history("somebody/again")) == 2


def test_what_an_earlier_push_wrote_goes_and_what_others_wrote_stays(
    pushed: tuple[LoopbackHub, dict[str, dict]],
) -> None:
    hub, told = pushed
    assert told["without b"]["deleted"] == ["b.txt"]
    files = set(hub.files("somebody/others"))
    assert "theirs.md" in files and "a.txt" in files and "b.txt" not in files


@pytest.mark.parametrize("name", ["lost", "busy", "cut"])
def test_a_lost_answer_makes_one_commit(pushed: tuple[LoopbackHub, dict[str, dict]], name: str) -> None:
    hub, told = pushed
    assert told[name]["changed"], told[name]
    history = hub.history(f"somebody/{name}")
    assert len(history) == 2 and history[0] == told[name]["commit"]


def test_a_commit_of_somebody_else_meanwhile_is_gone_on_from(pushed: tuple[LoopbackHub, dict[str, dict]]) -> None:
    hub, told = pushed
    assert len(hub.history("somebody/moved")) == 3
    assert {"theirs.md", "a.txt"} <= set(hub.files("somebody/moved")) and told["moved"]["changed"]


def test_a_proposal_whose_answer_is_lost_is_found(pushed: tuple[LoopbackHub, dict[str, dict]]) -> None:
    hub, told = pushed
    repository = hub.repositories["model", "somebody/request"]
    assert [ref for ref in repository.refs if ref.startswith("refs/pr/")] == ["refs/pr/1"]
    assert told["request"]["commit"] == repository.refs["refs/pr/1"]
    assert len(hub.history("somebody/request")) == 1, "the branch stays where it was"


def test_who_may_not_write_is_told_so_and_nothing_is_sent(pushed: tuple[LoopbackHub, dict[str, dict]]) -> None:
    hub, told = pushed
    assert "403" in told["forbidden"]["says"] and "else/where" in told["forbidden"]["says"]
    assert "hf auth login" in told["unknown"]["says"] and len(hub.history("somebody/unknown")) == 1
    assert ("model", "else/where") not in hub.repositories


def test_branches_and_tags(pushed: tuple[LoopbackHub, dict[str, dict]]) -> None:
    hub, told = pushed
    repository = hub.repositories["model", "somebody/branch"]
    assert repository.refs["refs/tags/v2.0"] == repository.refs["refs/heads/v2"] == told["branch"]["commit"]
    assert set(hub.files("somebody/branch")) == {".gitattributes"}, "main stays"
    assert not told["same tag"]["changed"] and "tag v2.0 already" in told["other tag"]["says"]


@pytest.mark.slow
def test_killed_and_pushed_again_it_ends_whole(tmp_path: Path) -> None:
    rows = kill_and_push(3, tmp_path, seed=3, count=6)
    assert all(row["all revisions whole"] and row["ended with its version"] for row in rows), rows


@pytest.mark.slow
def test_killed_at_twenty_moments_it_ends_whole(tmp_path: Path) -> None:
    rows = kill_and_push(20, tmp_path)
    assert all(row["all revisions whole"] and row["ended with its version"] for row in rows), rows
    # Vacuity guard: some were killed in the middle.
    assert sum(bool(row["while it ran"]) for row in rows) >= 5
