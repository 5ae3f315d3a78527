"""The loopback Hub is what both clients take for the real one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import OWNER, Fault, LoopbackHub


ROOT = Path(__file__).resolve().parents[2]
CLIENT = """
import json, sys, warnings
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError, EntryNotFoundError, RepositoryNotFoundError
api, name, said = HfApi(), "somebody/thing", {}
api.create_repo(name)
api.create_repo(name, exist_ok=True)
add = lambda path, content: CommitOperationAdd(path, content)
card = add("README.md", b"---\\nlanguage: [de, swh]\\n---\\n")
files = [add("a.txt", b"one"), add("in/w.safetensors", b"w" * 1000), card]
first = api.create_commit(name, files, commit_message="first")
again = api.create_commit(name, [add("a.txt", b"one"), add("in/w.safetensors", b"w" * 1000)], commit_message="again")
said["same"] = first.oid == again.oid
try:
    api.create_commit(name, [add("b.txt", b"x")], commit_message="late", parent_commit="0" * 40)
except HfHubHTTPError as error:
    said["late"] = error.response.status_code
try:
    api.create_commit(name, [add("README.md", b"---\\nlanguage: [ajp]\\n---\\n")], commit_message="code")
except ValueError as error:
    said["code"] = "ajp" in str(error)
api.create_branch(name, branch="side")
api.create_commit(name, [CommitOperationDelete("a.txt")], commit_message="less", revision="side")
api.create_tag(name, tag="v1", revision="main")
request = api.create_commit(name, [add("c.txt", b"c")], commit_message="asked", create_pr=True)
said["request"] = request.pr_revision
refs = api.list_repo_refs(name)
said["refs"] = sorted(ref.name for ref in [*refs.branches, *refs.tags])
said["main"] = sorted(api.list_repo_files(name))
said["side"] = sorted(api.list_repo_files(name, revision="side"))
said["info"] = [entry.path for entry in api.get_paths_info(name, ["a.txt", "none"])]
listed = [entry for entry in api.list_repo_tree(name, recursive=True) if hasattr(entry, "size")]
said["sizes"] = {entry.path: entry.size for entry in listed}
said["read"] = open(hf_hub_download(name, "in/w.safetensors", revision="v1"), "rb").read() == b"w" * 1000
folder = snapshot_download(name)
said["snapshot"] = open(folder + "/a.txt").read()
for key, error, call in [
    ("revision", RevisionNotFoundError, lambda: hf_hub_download(name, "a.txt", revision="none")),
    ("entry", EntryNotFoundError, lambda: hf_hub_download(name, "none.txt")),
    ("repository", RepositoryNotFoundError, lambda: api.repo_info("somebody/none")),
]:
    try:
        call()
    except error:
        said[key] = True
api.create_repo("somebody/data", repo_type="dataset")
api.create_commit("somebody/data", [add("x.parquet", b"p")], commit_message="data", repo_type="dataset")
said["dataset"] = open(hf_hub_download("somebody/data", "x.parquet", repo_type="dataset"), "rb").read().decode()
print(json.dumps(said))
"""


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as running:
        yield running


def run(hub: LoopbackHub, code: str, home: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**hub.environment(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_the_client_writes_and_reads(hub: LoopbackHub, tmp_path: Path) -> None:
    done = run(hub, CLIENT, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["same"], "the same content again makes no commit"
    assert said["late"] == 412 and said["code"] and said["request"] == "refs/pr/1"
    assert said["refs"] == ["main", "side", "v1"]
    assert said["main"] == [".gitattributes", "README.md", "a.txt", "in/w.safetensors"]
    assert said["side"] == [".gitattributes", "README.md", "in/w.safetensors"]
    assert said["info"] == ["a.txt"] and said["sizes"]["in/w.safetensors"] == 1000
    assert said["read"] and said["snapshot"] == "one" and said["dataset"] == "p"
    assert said["revision"] and said["entry"] and said["repository"]
    assert len(hub.history(f"{OWNER}/thing")) == 2
    assert hub.uploads.count(hub.uploads[0]) == 1
    assert all(request.headers.get("Host", "").startswith("127.0.0.1") for request in hub.requests)


def test_faults_strike_where_they_are_told_to(hub: LoopbackHub, tmp_path: Path) -> None:
    code = (
        "from huggingface_hub import CommitOperationAdd, HfApi\n"
        "api = HfApi(); api.create_repo('somebody/thing', exist_ok=True)\n"
        "add = [CommitOperationAdd('w.safetensors', b'w' * 10)]\n"
        "try: api.create_commit('somebody/thing', add, commit_message='m')\n"
        "except Exception as error: print(type(error).__name__)\n"
        "else: print('done')\n"
    )
    hub.faults.append(Fault("PUT", "/blobs/", 503))
    assert run(hub, code, tmp_path).stdout.strip() == "done", "an upload is tried again"
    assert hub.faults[0].seen == 2
    hub.faults[:] = [Fault("POST", "/commit/", "lost")]
    before = len(hub.history("somebody/thing"))
    lost = run(hub, code.replace("b'w' * 10", "b'v' * 10"), tmp_path).stdout.strip()
    assert lost not in ("", "done") and len(hub.history("somebody/thing")) == before + 1, "done, and not answered"
    hub.faults[:] = [Fault("POST", "/commit/", 401)]
    assert run(hub, code.replace("b'w' * 10", "b'u' * 10"), tmp_path).stdout.strip() not in ("", "done")
    assert len(hub.history("somebody/thing")) == before + 1
