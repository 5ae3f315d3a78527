"""What somebody meets who pushes for the first time: each is told in one line. All in one process of a client."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from hf_mplm.hub.publish_errors import check_ref

from .pushing import IMPATIENT, finish, start
from .server import Blob, Fault, LoopbackHub, Repository


CLIENT = """
import contextlib, io, json, os, shutil, sys
told = sys.stdout
sys.stderr = said = io.StringIO()
import numpy as np
from hf_mplm.cli.main import main
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.word_table import WordTable
table = WordTable("eng_Latn", ["one", "two"], np.array([2, 1]), np.eye(2, dtype=np.float32))
StaticEmbeddings([table]).save_pretrained("vectors")
os.makedirs("empty")
# As the cache of the Hub's client keeps what it has fetched.
os.makedirs("snapshot")
for name in os.listdir("vectors"):
    os.symlink(os.path.abspath(f"vectors/{name}"), f"snapshot/{name}")
shutil.copytree("vectors", "broken")
os.remove("broken/words.parquet")
os.symlink("/gone", "broken/words.parquet")
found = {}
def push(case, folder, *words, token=True):
    kept = os.environ["HF_TOKEN"]
    if token is not True:
        os.environ.pop("HF_TOKEN")
        if token:
            os.environ["HF_TOKEN"] = token
    place = said.tell()
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = main(["push", folder, *words])
    os.environ["HF_TOKEN"] = kept
    found[case] = [status, said.getvalue()[place:], out.getvalue()]
push("plain", "vectors", "somebody/plain")
push("one name", "vectors", "mine")
push("an address", "vectors", "https://huggingface.co/somebody/thing")
push("a dot at the end", "vectors", "somebody/thing.")
push("no folder", "nothing", "somebody/thing")
push("a file", "vectors/config.json", "somebody/thing")
push("an empty folder", "empty", "somebody/thing")
push("a cache", "snapshot", "somebody/thing")
push("a broken link", "broken", "somebody/thing")
push("no token", "vectors", "somebody/thing", token=None)
push("expired token", "vectors", "somebody/thing", token="hf_itWasGoodUntilYesterday")
push("others' name", "vectors", "else/thing")
push("others' name, proposed", "vectors", "else/thing", "--create_pr")
push("others' repository", "vectors", "else/open")
push("no room", "vectors", "somebody/full")
push("too large", "vectors", "somebody/large")
push("public", "vectors", "somebody/public", "--private")
push("no tag's name", "vectors", "somebody/thing", "--tag", "v 1")
push("no branch's name", "vectors", "somebody/thing", "--revision", "a..b")
push("tag refused", "vectors", "somebody/tagged", "--tag", "v1")
push("tag again", "vectors", "somebody/tagged", "--tag", "v1")
push("tag cut", "vectors", "somebody/cut", "--tag", "v1")
print(json.dumps(found), file=told)
"""

Told = dict[str, tuple[int, str, str]]


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LoopbackHub, Told]]:
    with LoopbackHub() as hub:
        for name in ("somebody/public", "else/open"):
            repository = hub.repositories["model", name] = Repository()
            repository.commit("refs/heads/main", {"theirs.md": Blob(b"theirs", False)}, "from a browser")
        hub.faults = [
            Fault("POST", "somebody/full/commit", 403),
            Fault("POST", "somebody/large/commit", 413),
            Fault("POST", "somebody/tagged/tag", 400),
            Fault("POST", "somebody/cut/tag", "cut", times=9),
        ]
        status, out, err = finish(start(hub, tmp_path_factory.mktemp("home"), "-c", IMPATIENT + CLIENT))
        assert status == 0, err[-3000:]
        yield hub, json.loads(out.splitlines()[-1])


def test_a_push_that_ends_well_says_where_and_no_more(met: tuple[LoopbackHub, Told]) -> None:
    hub, told = met
    status, said, out = told["plain"]
    # Neither the client's requests, nor its doubts about Parquet files in a repository of vectors.
    assert (status, said) == (0, "") and f"Published static embeddings: {hub.url}/somebody/plain/commit/" in out
    assert "words.parquet" in hub.files("somebody/plain")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("one name", r"'mine' is no repository; it is written OWNER/NAME"),
        ("an address", r"is no repository; it is written OWNER/NAME"),
        ("a dot at the end", r"cannot start or end with '-' or '\.'.*somebody/thing\."),
        ("no folder", r"there is no folder nothing"),
        ("a file", r"there is no folder vectors/config\.json"),
        ("an empty folder", r"empty is nothing that is published; there are: .*static embeddings \(static\)"),
        ("a cache", r"snapshot/config\.json is a link to a file outside the folder; copy the file to its place"),
        ("a broken link", r"holds no words\.parquet"),
        ("no token", r"does not know you \(401\).*hf auth login.*HF_TOKEN"),
        ("expired token", r"does not know you \(401\).*has not expired"),
        ("others' name", r"no else/thing that your token may see, and it may not make it \(403 Forbidden: .*rights"),
        ("others' name, proposed", r"no else/thing that your token may see"),
        ("others' repository", r"may not write to else/open \(403 Forbidden: .*rights.*--create_pr"),
        # Whatever it is that the Hub forbids is told in its own words.
        ("no room", r"may not write to somebody/full \(403 Forbidden: as the test wants it\)"),
        ("too large", r"the Hub refused \(413 .*as the test wants it\)\. somebody/large is as it was$"),
        ("public", r"somebody/public exists and is public, and --private is for a new repository"),
        ("no tag's name", r"--tag 'v 1' is no name that git takes"),
        ("no branch's name", r"--revision 'a\.\.b' is no name that git takes"),
        ("tag refused", r"everything is in .*/somebody/tagged/commit/\w+, but its tag v1 was not made: .*\(400 "),
        ("tag cut", r"everything is in .*/somebody/cut/commit/\w+, but its tag v1 was not made .*same command makes"),
    ],
)
def test_each_is_told_in_one_line(met: tuple[LoopbackHub, Told], case: str, words: str) -> None:
    status, said, _ = met[1][case]
    assert status == 2 and said.startswith("hf-mplm push: error: ") and said.count("\n") == 1, said
    assert re.search(words, said.strip()), said
    assert "hf_" not in said and "developer.mozilla.org" not in said


def test_nothing_was_sent_where_it_says_so(met: tuple[LoopbackHub, Told]) -> None:
    hub, told = met
    assert not {("model", "somebody/thing"), ("model", "else/thing")} & set(hub.repositories)
    for name in ("somebody/public", "else/open"):
        assert set(hub.files(name)) == {"theirs.md"}
    assert "--create_pr" not in told["others' name, proposed"][1], "which was given"


def test_a_tag_that_was_refused_is_made_by_the_same_command(met: tuple[LoopbackHub, Told]) -> None:
    hub, told = met
    repository = hub.repositories["model", "somebody/tagged"]
    assert told["tag again"][0] == 0 and len(hub.history("somebody/tagged")) == 2
    assert repository.refs["refs/tags/v1"] == repository.refs["refs/heads/main"]


@pytest.mark.parametrize("name", ["v1", "v1.0", "main", "refs/pr/3", "a-b/c_d", "früh", "1.2.3-rc.1"])
def test_names_that_git_takes(name: str) -> None:
    check_ref(name, "--tag")


@pytest.mark.parametrize("name", ["", "v 1", "-v", ".v", "/v", "v/", "v.", "a..b", "a//b", "a/.b", "v.lock", "a~1"])
def test_names_that_git_does_not_take(name: str) -> None:
    with pytest.raises(ValueError, match="--tag"):
        check_ref(name, "--tag")
