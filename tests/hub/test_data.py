"""Benchmarks are read from the Hub as from a folder: the same items, the same scores, and offline afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hf_mplm.evaluation import fetching
from hf_mplm.evaluation.fetching import ORIGINS_FILE, is_on_hub
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.evaluation.files.hub_data import COMMIT, HubDataset, NotOnHub, Wanted
from hf_mplm.evaluation.files.names import Meaning, may_mean, resolve_codes
from hf_mplm.evaluation.tasks import TASKS, get_task

from .benchmarks import publish
from .server import Blob, Fault, LoopbackHub
from .tiny_benchmarks import write_tiny_benchmarks


ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).with_name("data_probe.py")
# By task: languages that are asked for, those that are trained on or retrieved from, and those that are not wanted.
ASKED = {
    "sib200": (["swh_Latn"], ["eng_Latn"], ["tha_Thai"]),
    "tatoeba": (["swh_Latn", "zho_Hans"], ["eng_Latn"], ["tha_Thai", "deu_Latn"]),
    "flores": (["swh_Latn"], ["eng_Latn"], ["tha_Thai"]),
    "xnli": (["zho_Hans"], ["eng_Latn"], ["swh_Latn"]),
    "americasnli": (["quy_Latn"], ["eng_Latn"], []),
    "pawsx": (["zho_Hans"], ["eng_Latn"], ["deu_Latn"]),
    "ner": (["gsw_Latn", "lzh_Hant"], ["eng_Latn"], ["swh_Latn"]),
    "pos": (["nno_Latn", "zho_Hant"], ["eng_Latn"], []),
    "parsing": (["nno_Latn", "zho_Hant"], ["eng_Latn"], []),
    "xquad": (["zho_Hans"], ["tha_Thai"], []),
    "mlqa": (["deu_Latn"], ["eng_Latn"], []),
    "tydiqa": (["swh_Latn"], ["eng_Latn"], []),
}


class Client:
    """A process that takes the loopback Hub for the real one, and does step by step what it is told."""

    def __init__(self, hub: LoopbackHub, home: Path, *, offline: bool = False) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._hub = hub
        self._process = subprocess.Popen(
            [sys.executable, str(PROBE)],
            env={**hub.environment(home, token=None, offline=offline), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=home,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def __call__(self, step: str, **keywords: Any) -> dict[str, Any]:
        """What came of a step, and under `asked` what the server was asked meanwhile."""
        assert self._process.stdin is not None and self._process.stdout is not None
        before = len(self._hub.requests)
        self._process.stdin.write(json.dumps([step, keywords]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self._process.communicate()[1][-3000:])
        return {**json.loads(line), "asked": [request.path for request in self._hub.requests[before:]]}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_benchmarks(tmp_path_factory.mktemp("benchmarks"))


@pytest.fixture(scope="module")
def hub(local: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub() as running:
        publish(running, local)
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def client(hub: LoopbackHub, home: Path) -> Iterator[Client]:
    with Client(hub, home) as running:
        yield running


def items(corpus: Any, language: str, split: str) -> list[Any] | str:
    """The examples of a split without the places where they stand, or that there are none."""
    try:
        found = corpus.examples(language, split)
    except MissingDataError:
        return "none"
    bare = {"place": "", "article": ""}
    return [one._replace(**{name: "" for name in bare if name in getattr(one, "_fields", ())}) for one in found]


@pytest.mark.parametrize("task", ASKED)
def test_the_hub_holds_what_the_folder_holds(task: str, client: Client, hub: LoopbackHub, local: Path) -> None:
    languages, sources, unwanted = ASKED[task]
    told = client("fetch", tasks=task, languages=languages, sources=sources)
    assert "error" not in told, told
    record: Any = get_task(task)
    here, there = record.corpus(local), record.corpus(Path(told["folder"]))
    if hasattr(here, "pair"):
        for language in languages:
            for pair in ((sources[0], language), (language, sources[0])):
                assert there.pair(*pair) == here.pair(*pair) and here.pair(*pair).source, pair
    else:
        for source in sources:
            for split in ("train", "dev"):
                found = items(there, source, split)
                assert found == items(here, source, split), (source, split)
                assert found != "none" or (task, split) == ("mlqa", "train")
        for language in languages:
            found = items(there, language, "test")
            assert found == items(here, language, "test") and found != "none", language
    assert not {*unwanted} & {*there.languages()}, "what is not asked for is not read"
    assert {*unwanted} <= {*here.languages()}, "which says nothing where the folder has none either"
    names = {path.rsplit("/", 1)[-1] for path in told["files"]}
    assert not any("README" in name or "all_languages" in name or "primary" in name for name in names)
    # Of the languages that are scored no training data is fetched.
    (source,) = [one for one in record.hub_data if not one.training_only]
    fetched = [request.path for request in hub.requests if f"/datasets/{source.id}/resolve/" in request.path]
    assert fetched and not any("/sw" in path and "train" in path for path in fetched)


def test_scores_are_those_of_the_folder_and_go_on(client: Client, hub: LoopbackHub, local: Path, home: Path) -> None:
    how: Any = {"tasks": "sib200,tatoeba", "languages": ["swh_Latn", "tha_Thai"], "transfer_settings": "probe"}
    there = client("evaluate", model=None, data_dir=None, output=str(home / "there"), **how)
    here = client("evaluate", model=None, data_dir=str(local), output=str(home / "here"), **how)
    assert there["rows"] == here["rows"] and len(there["rows"]) == 2 * 2 + 2 * 4, there
    assert there["missing"] == [] and there["data_dir"] is None
    # The results name the commit, and so does what each score was computed from.
    assert there["hub_data"]["sib200"]["commit"] == SIB200.revision == there["hub_data"]["sib200"]["revision"]
    names = [name for name, _ in there["files"]]
    assert f"Davlan/sib200@{SIB200.revision}/swh_Latn/test.tsv" in names
    assert here["hub_data"] == {} and "sib200/swh_Latn/test.tsv" in [name for name, _ in here["files"]]
    # Again: nothing is computed, and the Hub is not asked.
    again = client("evaluate", model=None, data_dir=None, output=str(home / "there"), **how)
    assert again["rows"] == there["rows"] and again["computed"] == [] and again["asked"] == []
    assert here["asked"] == [], "a data folder wins"
    # A folder without a benchmark is not filled up from the Hub.
    (home / "empty").mkdir()
    lacking = client("evaluate", model=None, data_dir=str(home / "empty"), output=str(home / "none"), **how)
    assert "no data of the task sib200; leave --data_dir out to read it from the Hub" in lacking["error"]


def test_what_is_in_the_cache_is_read_offline(hub: LoopbackHub, client: Client, home: Path) -> None:
    how: Any = {"tasks": "tatoeba", "data_dir": None, "model": None}
    online = client("evaluate", languages=["swh_Latn"], output=str(home / "online"), **how)
    client("fetch", tasks="americasnli", languages=["quy_Latn"], sources=["eng_Latn"])
    with Client(hub, home, offline=True) as cut:
        offline = cut("evaluate", languages=["swh_Latn"], output=str(home / "offline"), **how)
        assert offline["rows"] == online["rows"] and offline["rows"] and offline["asked"] == []
        # What was never fetched is named, not left out.
        never = cut("evaluate", languages=["deu_Latn"], output=str(home / "never"), **how)
        assert "tatoeba: what is asked for of mteb/tatoeba-bitext-mining is not all in the cache" in never["error"]
        assert "all" in cut("evaluate", languages="all", output=str(home / "all"), **how)["error"]
        # A branch is read as of the last time.
        branch = cut("fetch", tasks="americasnli", languages=["quy_Latn"], sources=["eng_Latn"])
        assert branch["origins"]["americasnli"]["revision"] == "main" and branch["asked"] == []
        assert COMMIT.fullmatch(branch["origins"]["americasnli"]["commit"])


def test_a_branch_that_moved_is_computed_again(hub: LoopbackHub, client: Client, home: Path, local: Path) -> None:
    how: Any = {"tasks": "americasnli", "languages": ["quy_Latn"], "source_languages": ["quy_Latn"]}
    how |= {"transfer_settings": "probe", "model": None, "data_dir": None, "output": str(home / "moved")}
    first = client("evaluate", **how)
    assert first["computed"] and "error" not in first, first
    assert client("evaluate", **how)["computed"] == []
    repository = hub.repositories["dataset", "nala-cub/americas_nli"]
    before = repository.refs["refs/heads/main"]
    later = repository.commit("refs/heads/main", {**repository.commits[before], "new.txt": Blob(b"x", False)}, "more")
    second = client("evaluate", **how)
    assert second["computed"], "a score of another commit is another score"
    assert (first["hub_data"]["americasnli"]["commit"], second["hub_data"]["americasnli"]["commit"]) == (before, later)


def test_each_way_to_fail_says_what_to_do(hub: LoopbackHub, client: Client, home: Path) -> None:
    def error(tasks: str, languages: Any = None, **more: Any) -> str:
        told = client("fetch", tasks=tasks, languages=languages, sources=["eng_Latn"], **more)
        return str(told.get("error", ""))

    absent = error("taxi1500,bible,sib200")
    assert (
        absent.startswith("MissingDataError: taxi1500 is not on the Hub (") and "; bible is not on the Hub" in absent
    )
    assert "https://github.com/cisnlp/Taxi1500, put CODE/" in absent
    assert "under DATA/taxi1500/ and give --data_dir DATA" in absent
    flores = hub.repositories["dataset", "openlanguagedata/flores_plus"]
    flores.gated = True
    gated = error("flores", ["tha_Thai"])
    flores.gated = False
    assert "accept its terms at https://huggingface.co/datasets/openlanguagedata/flores_plus" in gated
    assert "hf auth login" in gated and "DATA/flores/" in gated
    hub.faults[:] = [Fault("GET", "deu-eng", 403, times=100), Fault("HEAD", "deu-eng", 403, times=100)]
    broken = error("tatoeba", ["deu_Latn"])
    hub.faults.clear()
    assert broken.startswith("MissingDataError: ") and "mteb/tatoeba-bitext-mining" in broken
    assert error("tatoeba", ["deu_Latn"]) == "", "which then goes on"
    shutil.rmtree(home / "assets")
    gone = hub.repositories.pop(("dataset", "google/xquad"))
    missing = error("xquad")
    hub.repositories["dataset", "google/xquad"] = gone
    assert "there is no dataset google/xquad on the Hub" in missing
    assert "the task mine does not say where its benchmark is" in error("sib200", own=True)


SIB200 = next(source for source in get_task("sib200").hub_data if isinstance(source, HubDataset))  # type: ignore[attr-defined]


def test_every_task_says_where_its_benchmark_is() -> None:
    for name in TASKS:
        sources = get_task(name).hub_data  # type: ignore[attr-defined]
        assert sources and all(isinstance(source, HubDataset | NotOnHub) for source in sources), name
        for source in sources:
            assert source.folder and source.licence
    assert not is_on_hub(get_task("flores")) and not is_on_hub(get_task("bible")) and is_on_hub(get_task("sib200"))


def test_the_page_says_what_the_tasks_read() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.split("\n") if line.startswith("| `")}
    sources = {source.folder: source for name in TASKS for source in get_task(name).hub_data}  # type: ignore[attr-defined]
    assert rows.keys() == sources.keys()
    for folder, source in sources.items():
        told = [source.licence]
        told += [source.id, source.revision] if isinstance(source, HubDataset) else source.where.split(" ")[-1:]
        assert [part for part in told if part not in rows[folder]] == [], folder
        tasks = {name for name in TASKS if source in get_task(name).hub_data}  # type: ignore[attr-defined]
        assert [name for name in tasks if f"`{name}`" not in rows[folder]] == [], folder
    pinned = [one for one in sources.values() if isinstance(one, HubDataset) and COMMIT.fullmatch(one.revision)]
    assert len(pinned) == 8 and "Eight are pinned by a commit. Three are not" in page


def test_no_text_makes_a_name_mean_what_it_may_not_mean() -> None:
    texts = {"Latn": "a b c", "Arab": "ئەم خەڵکە", "Hans": "这个国家的东西们说话", "Hant": "這個國家的東西們說話"}
    texts |= {"Cyrl": "это они", "Thai": "แมวนั่ง", "Tfng": "ⵜⴰⵎⴰⵣⵉⵖⵜ"}
    names = ["kur", "cmn", "zh", "zho_Hans", "yue", "ber", "srp", "sr-Latn", "no", "arz", "uz", "notes", "zho_Hani"]
    met = 0
    for name in names:
        for text in texts.values():
            for code in resolve_codes([name], lambda _, text=text: text).codes:  # type: ignore[misc]
                met += 1
                assert may_mean(Meaning(name), [code]), (name, code)
        assert not may_mean(Meaning(name), ["swh_Latn", "tam_Taml"])
    assert met > 30 and not may_mean(Meaning(""), ["eng_Latn"])


def test_processes_that_lay_out_the_same_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views = tmp_path / "views"
    views.mkdir()
    monkeypatch.setattr(fetching, "cached_assets_path", lambda *_: views)
    (tmp_path / "blob").write_text("text")
    links = {"sib200/eng_Latn/test.tsv": tmp_path / "blob", "sib200/swh_Latn/test.tsv": tmp_path / "blob"}
    origins = {"sib200": fetching.Origin("a/b", "main", "0" * 40, "CC0")}
    rename, raced = os.rename, []

    def lose(here: Path, there: Path) -> None:
        shutil.copytree(here, there)
        raced.append(there)
        rename(here, there)

    monkeypatch.setattr(fetching.os, "rename", lose)
    folder = fetching._lay_out(links, origins)
    assert raced == [folder] and fetching.read_origins(folder) == origins, "another process was quicker"
    assert (folder / "sib200/swh_Latn/test.tsv").read_text() == "text"
    assert [path.name for path in views.iterdir()] == [folder.name]
    monkeypatch.setattr(fetching.os, "rename", rename)
    (folder / "sib200/swh_Latn/test.tsv").unlink()
    assert fetching._lay_out(links, origins) == folder and (folder / "sib200/swh_Latn/test.tsv").is_file()
    other = {"sib200": origins["sib200"]._replace(commit="1" * 40)}
    assert fetching._lay_out(links, other) != folder != fetching._lay_out(dict(list(links.items())[:1]), origins)


@pytest.mark.parametrize("path", ["../../left/test.tsv", "a/../../../left.tsv", "/left.tsv"])
def test_a_repository_s_names_stay_in_the_folder(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = HubDataset("bench", "org/bench", "0" * 40, r"(?P<path>.+)", "MIT")
    absolute = HubDataset("", "org/bench", "0" * 40, r"(?P<path>.+)", "MIT")
    task: Any = SimpleNamespace(name="bench", hub_data=(absolute if path.startswith("/") else dataset,))
    fetched: list[object] = []
    monkeypatch.setattr(fetching, "_list_files", lambda _: fetching._Listing("0" * 40, [path]))
    monkeypatch.setattr(fetching, "_download", lambda *given: fetched.append(given) or [])
    with pytest.raises(MissingDataError, match="outside of its folder; put its files under DATA"):
        fetching.fetch_benchmarks([task], Wanted(None, ("eng_Latn",)))
    assert not fetched


def test_what_is_read_follows_what_is_asked() -> None:
    paths = [f"data/{code}/{split}.tsv" for code in ("eng_Latn", "swh_Latn") for split in ("train", "dev", "test")]

    def links(*languages: str, **more: bool) -> list[str]:
        wanted = Wanted(languages or None, ("eng_Latn",), **more)
        return [file.link for file in SIB200.choose([*paths, "README.md", "data/labels.txt"], wanted)]

    english = [f"sib200/eng_Latn/{split}.tsv" for split in ("dev", "test", "train")]
    assert links("swh_Latn") == [*english, "sib200/swh_Latn/test.tsv"] == links()
    assert links("tha_Thai") == english
    assert len(links("swh_Latn", train_on_targets=True)) == 6


@pytest.mark.slow
@pytest.mark.parametrize("languages", [["swh_Latn", "zho_Hans"]])
def test_the_shared_rows_give_equal_scores(shared_data: Path, tmp_path: Path, languages: list[str]) -> None:
    """The benchmarks' own files, as far as two languages go."""
    some = tmp_path / "data"
    wanted = [f"sib200/{code}/*.tsv" for code in ("eng_Latn", *languages)]
    for pattern in (*wanted, "tatoeba/tatoeba.swh-eng.*", "tatoeba/tatoeba.cmn-eng.*"):
        for path in shared_data.glob(pattern):
            link = some / path.relative_to(shared_data)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    how: Any = {"tasks": "sib200,tatoeba", "languages": languages, "transfer_settings": "probe", "model": None}
    with LoopbackHub() as hub:
        publish(hub, some)
        with Client(hub, tmp_path / "home") as client:
            there = client("evaluate", data_dir=None, output=str(tmp_path / "there"), **how)
            here = client("evaluate", data_dir=str(some), output=str(tmp_path / "here"), **how)
    assert "error" not in there and "error" not in here, (there, here)
    assert there["rows"] == here["rows"] and {row[0] for row in there["rows"]} == {"sib200", "tatoeba"}
    assert not (some / ORIGINS_FILE).exists()
