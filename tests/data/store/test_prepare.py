from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from hf_mplm.data.corpus.corpora import iter_corpus
from hf_mplm.data.store import assembly, packing, parts, prepare
from hf_mplm.data.store.packing import choose_holdout
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.data.store.token_store import TokenStore, load_store
from hf_mplm.jobs import engines
from hf_mplm.jobs import job as jobs
from tests.fixtures import build_tiny_tokenizer
from tests.processes import CONTEXT


SMALL: dict[str, Any] = {"chunk_length": 24, "holdout": 1, "part_bytes": 700}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def streams(store: TokenStore, split: str = "train") -> dict[str, list[int]]:
    """All ids of each language, one chunk after the other."""
    found: dict[str, list[int]] = {}
    dataset = store.train if split == "train" else store.holdout
    for row in dataset or []:
        found.setdefault(store.languages[row["language"]], []).extend(row["input_ids"])
    return found


def sentences(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> list[tuple[int, ...]]:
    """Cut a stream at each `<s>`."""
    starts = [i for i, token in enumerate(ids) if token == tokenizer.bos_token_id]
    return [tuple(ids[start:stop]) for start, stop in zip(starts, [*starts[1:], len(ids)])]


def test_chunks_hold_each_sentence_in_order(
    tiny_corpus: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    store = prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "store", chunk_length=24, part_bytes=700)
    expected: dict[str, list[int]] = {}
    for row in iter_corpus(tiny_corpus):
        expected.setdefault(row["language"], []).extend(tiny_tokenizer(row["text"])["input_ids"])
    assert streams(store) == expected and store.holdout is None
    lengths = {code: [] for code in store.languages}
    for row in store.train:
        lengths[store.languages[row["language"]]].append(len(row["input_ids"]))
    for code, n in lengths.items():
        assert set(n[:-1]) <= {24} and 0 < n[-1] <= 24 and sum(n) == len(expected[code])
    assert any(n[-1] < 24 for n in lengths.values())
    assert list(store.train["language"]) == sorted(store.train["language"])


def test_a_sentence_longer_than_a_chunk_goes_on(tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    (tmp_path / "corpus").mkdir()
    long = "haki za binadamu " * 62_000
    assert len(long) > 1 << 20
    (tmp_path / "corpus" / "swh_Latn.txt").write_text(f"{long}\nhaki\n")
    store = prepare_store(tmp_path / "corpus", tiny_tokenizer, tmp_path / "store")
    ids = streams(store)["swh_Latn"]
    assert ids == tiny_tokenizer(long)["input_ids"] + tiny_tokenizer("haki")["input_ids"]
    assert store.info["languages"]["swh_Latn"]["long_sentences"] == 1


@pytest.mark.usefixtures("warm_pool")
@pytest.mark.parametrize("num_proc, part_bytes", [(1, 300), (1, 1 << 20), (2, 2000)])
def test_same_bytes_for_any_number_of_processes_and_parts(
    tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, num_proc: int, part_bytes: int
) -> None:
    one = prepare_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "one", **SMALL)
    settings = {**SMALL, "part_bytes": part_bytes, "num_proc": num_proc}
    two = prepare_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "two", **settings)
    assert contents(one.path) == contents(two.path)
    assert not list(tmp_path.glob("*.preparing"))


def test_shards_cut_between_chunks_only(
    tiny_corpus: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "one", **SMALL)
    plan_shards = packing.plan_shards
    monkeypatch.setattr(assembly, "plan_shards", lambda *a, **k: plan_shards(*a, **k, shard_tokens=200))
    two = prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "two", **SMALL)
    assert len(list((two.path / "train").glob("*.arrow"))) > 3
    assert one.train[:] == two.train[:] and one.holdout is not None and two.holdout is not None
    assert one.holdout[:] == two.holdout[:]


def test_holdout_depends_on_the_line_alone(tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    def held(lines: list[str], name: str, **options: Any) -> tuple[Counter, Counter]:
        corpus = tmp_path / name
        corpus.mkdir()
        (corpus / "swh_Latn.txt").write_text("\n".join(lines))
        store = prepare_store(corpus, tiny_tokenizer, tmp_path / f"{name}-store", chunk_length=24, **options)
        return tuple(  # type: ignore[return-value]
            Counter(sentences(streams(store, split).get("swh_Latn", []), tiny_tokenizer))
            for split in ("train", "holdout")
        )

    lines = [f"sentensi ya {i} na {i * 7}" for i in range(60)] + ["mara mbili"] * 40
    everything = Counter(tuple(tiny_tokenizer(line)["input_ids"]) for line in lines)
    train, holdout = held(lines, "a", holdout=5)
    assert train + holdout == everything and sum(holdout.values()) == 5
    # No held-out sentence is trained on; one that occurs twice is never held out.
    assert not set(train) & set(holdout) and set(holdout.values()) == {1}
    assert held(lines[::-1], "b", holdout=5, part_bytes=100)[1] == holdout
    assert held(lines, "c", holdout=5, seed=7)[1] != holdout
    # What is added elsewhere moves nothing from one side to the other, but for those that make room.
    more = held([*lines, *(f"jipya {i}" for i in range(40))], "d", holdout=5)[1]
    assert all(sentence in more or sum(1 for s in more if s not in holdout) for sentence in holdout)
    assert sum(held(lines, "e", holdout=1000)[1].values()) == len(lines) // 10
    assert sum(held(lines[:9], "f", holdout=3)[1].values()) == 0


def test_choose_holdout_takes_single_ones_only() -> None:
    hashes = np.array([5, 1, 9, 1, 7, 3, 3, 2, 8, 6] * 1 + list(range(100, 190)), dtype=np.uint64)
    assert choose_holdout(hashes, 3).tolist() == [2, 5, 6]
    assert len(choose_holdout(hashes, 50)) == 10 and len(choose_holdout(hashes[:9], 5)) == 0
    assert choose_holdout(np.zeros(100, dtype=np.uint64), 5).tolist() == []


def test_drops_are_counted_in_the_store(tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "swh_Latn.txt").write_bytes(b"\xef\xbb\xbfmoja\r\n\n\xff\nmb\0ili\n\xe2\x80\x8b\n")
    (tmp_path / "corpus" / "zul_Latn.txt").write_bytes(b"\n \n")
    store = prepare_store(tmp_path / "corpus", tiny_tokenizer, tmp_path / "store")
    report = store.info["report"]
    assert store.languages == ["swh_Latn"] and report["counts"] == {"swh_Latn": 2}
    assert report["dropped"] == {"swh_Latn": {"blank": 1, "invalid_utf8": 1, "no_tokens": 1}, "zul_Latn": {"blank": 2}}
    assert report["cleaned"] == {"swh_Latn": {"bom": 1, "carriage_return": 1, "nul": 1}}
    assert streams(store)["swh_Latn"] == [
        token for text in ("moja", "mbili") for token in tiny_tokenizer(text).input_ids
    ]


def test_empty_corpus_says_what_was_dropped(tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "swh_Latn.txt").write_bytes(b"\n\n\xff\n")
    with pytest.raises(ValueError, match="no sentence. Lines left out: 2 nothing but white space, 1 not valid UTF-8"):
        prepare_store(tmp_path / "corpus", tiny_tokenizer, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_under_a_launcher_it_is_refused(
    tiny_corpus: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="not prepared under torchrun or accelerate launch"):
        prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "store")


def test_wrong_numbers(tiny_corpus: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    for options in ({"chunk_length": 2}, {"holdout": -1}, {"num_proc": 0}, {"engine": "cloud"}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}"):
            prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "store", **options)  # type: ignore[arg-type]


def count_parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    done: list[int] = []
    run = engines.run_tasks

    def counted(function: Callable, tasks: Any, **options: Any) -> Any:
        done.extend(task.index for task in tasks)
        return run(function, tasks, **options)

    monkeypatch.setattr(jobs, "run_tasks", counted)
    return done


def kill_at(stage: str) -> None:
    """In a process that is to die: replace a function such that it kills the process at once."""
    calls = 0
    module, name, last = {
        "tokenizing": (parts, "write_result", 4),
        "between tokens and counts": (parts, "write_result", 1),
        "packing": (packing, "_blocks", 3),
        "tokenizer": (prepare, "keep_tokenizer", 1),
        "renaming": (jobs.os, "rename", 1),
        "cleaning up": (jobs.Job, "clear", 2),
    }[stage]
    real = getattr(module, name)

    def deadly(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)

    setattr(module, name, deadly)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    "stage", ["tokenizing", "between tokens and counts", "packing", "tokenizer", "renaming", "cleaning up"]
)
def test_killed_at_any_stage_it_goes_on(
    tiny_corpus: Path,
    tiny_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    stage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "expected", **SMALL)
    output = tmp_path / "store"
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        kill_at(stage)
        try:
            prepare_store(tiny_corpus, tiny_tokenizer, output, **SMALL)
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    work = tmp_path / "store.preparing"
    assert work.is_dir() and output.exists() == (stage == "cleaning up")
    finished = {int(file.stem) for file in (work / "parts").glob("*.json")}
    done = count_parts(monkeypatch)
    store = prepare_store(tiny_corpus, tiny_tokenizer, output, **SMALL)
    assert contents(store.path) == contents(expected.path) and not work.exists()
    assert not finished & set(done)
    if stage == "cleaning up":
        assert done == []
    else:
        all_parts = finished | set(done)
        assert all_parts == set(range(len(all_parts))) and len(all_parts) > 4
    if stage == "tokenizing":
        assert len(finished) == 3


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_workers_end_with_a_killed_parent_and_work_goes_on(
    tmp_path: Path, tiny_tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for code in ("swh_Latn", "zul_Latn"):
        lines = (f"{code} {i} haki za binadamu {i * i}" for i in range(1500))
        (corpus / f"{code}.txt").write_text("\n".join(lines))
    settings: dict[str, Any] = {"chunk_length": 24, "holdout": 3, "part_bytes": 1000}
    arguments = (str(corpus), str(tiny_tokenizer_folder), str(tmp_path / "store"))
    process = CONTEXT.Process(target=prepare_store, args=arguments, kwargs={**settings, "num_proc": 2})
    process.start()
    work = tmp_path / "store.preparing"
    deadline = time.monotonic() + 120
    while len(list((work / "parts").glob("*.json"))) < 3:
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.005)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(children) >= 2
    while any(_runs(pid) for pid in children):
        assert time.monotonic() < deadline, "the workers go on without their parent"
        time.sleep(0.02)
    finished = {int(file.stem) for file in (work / "parts").glob("*.json")}
    assert not (tmp_path / "store").exists()
    done = count_parts(monkeypatch)
    store = prepare_store(corpus, tiny_tokenizer_folder, tmp_path / "store", **settings)
    # It was killed in the middle: some parts were there, others were not.
    assert finished and done and not finished & set(done)
    expected = prepare_store(corpus, tiny_tokenizer_folder, tmp_path / "expected", **{**settings, "part_bytes": 10**6})
    assert contents(store.path) == contents(expected.path)


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def interrupt(monkeypatch: pytest.MonkeyPatch, *args: Any, **options: Any) -> None:
    """Begin, and stop after the tokenizing."""
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "write_splits", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_store(*args, **options)


def test_unfinished_work_on_something_else_is_refused(
    tiny_corpus: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "store"
    interrupt(monkeypatch, tiny_corpus, tiny_tokenizer, output, **SMALL)
    with pytest.raises(
        ValueError, match=r"unfinished work on something else:\n  - chunk_length: 24 then, 25 now(?s:.*)--over"
    ):
        prepare_store(tiny_corpus, tiny_tokenizer, output, **{**SMALL, "chunk_length": 25})
    with (tiny_corpus / "swh_Latn.txt").open("a") as handle:
        handle.write("mstari mpya\n")
    (tiny_corpus / "yor_Latn.txt").unlink()
    with pytest.raises(ValueError) as caught:
        prepare_store(tiny_corpus, tiny_tokenizer, output, **SMALL)
    assert f"the corpus, changed: {tiny_corpus}/swh_Latn.txt" in str(caught.value)
    assert f"the corpus, gone: {tiny_corpus}/yor_Latn.txt" in str(caught.value)
    store = prepare_store(tiny_corpus, tiny_tokenizer, output, **SMALL, overwrite=True)
    fresh = prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "fresh", **SMALL)
    assert contents(store.path) == contents(fresh.path)


def test_touched_but_equal_files_are_taken_up(
    tiny_corpus: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, tiny_corpus, tiny_tokenizer, tmp_path / "store", **SMALL)
    for file in tiny_corpus.iterdir():
        os.utime(file, (1, 1))
    done = count_parts(monkeypatch)
    prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "store", **SMALL)
    assert done == []


def test_a_finished_store_is_kept_unless_told_otherwise(
    tiny_corpus: Path,
    tiny_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "store"
    store = prepare_store(tiny_corpus, tiny_tokenizer, output, **SMALL)
    before = contents(output)
    done = count_parts(monkeypatch)
    assert prepare_store(tiny_corpus, tiny_tokenizer, output, **SMALL).info == store.info and done == []
    other = build_tiny_tokenizer(tmp_path_factory.mktemp("other"), vocab_size=700)
    with pytest.raises(ValueError, match=r"something else:\n  - another tokenizer: fingerprint(?s:.*)--overwrite"):
        prepare_store(tiny_corpus, other, output, **SMALL)
    assert contents(output) == before and sorted(path.name for path in tmp_path.iterdir()) == ["store", "tiny_corpus"]
    replaced = prepare_store(tiny_corpus, other, output, **SMALL, overwrite=True)
    replaced.check_tokenizer(other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "tiny_corpus"]


def test_a_folder_that_is_no_store_is_never_replaced(
    tiny_corpus: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="is not a token store, so it is not replaced"):
        prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "home", overwrite=True)
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    assert len(prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "empty").train)


def test_two_at_once_are_refused(
    tiny_corpus: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    write_splits = prepare.write_splits

    def meanwhile(*args: Any, **options: Any) -> Any:
        with pytest.raises(OSError, match=r"in use: hf-mplm prepare writes there .*process \d+") as caught:
            prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "store", **SMALL)
        tried.append(caught)
        return write_splits(*args, **options)

    monkeypatch.setattr(prepare, "write_splits", meanwhile)
    prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "store", **SMALL)
    assert tried


def test_corpus_that_changes_meanwhile_is_noticed(
    tiny_corpus: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = prepare.run_parts

    def meanwhile(*args: Any, **options: Any) -> None:
        real(*args, **options)
        with (tiny_corpus / "swh_Latn.txt").open("a") as handle:
            handle.write("x\n")

    monkeypatch.setattr(prepare, "run_parts", meanwhile)
    with pytest.raises(ValueError, match="swh_Latn.txt was changed while it was read"):
        prepare_store(tiny_corpus, tiny_tokenizer, tmp_path / "store", **SMALL)


def test_full_disk_is_explained_and_nothing_torn_is_taken_for_whole(
    tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    resource = pytest.importorskip("resource")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "swh_Latn.txt").write_text("\n".join(f"haki {i}" for i in range(3000)))
    (corpus / "abk_Cyrl.txt").write_text("short\n" * 20)
    settings: dict[str, Any] = {"chunk_length": 24, "part_bytes": 20_000}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    work = tmp_path / "store.preparing"
    # Room for each part, but not for the file of the whole split.
    resource.setrlimit(resource.RLIMIT_FSIZE, (110_000, limit[1]))
    try:
        with pytest.raises(OSError, match="no space left to write in .*free some space and repeat the same command"):
            prepare_store(corpus, tiny_tokenizer, tmp_path / "store", **settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not (tmp_path / "store").exists()
    assert not list(work.rglob("*.unfinished")) and not list((work / "store").rglob("*.arrow"))
    store = prepare_store(corpus, tiny_tokenizer, tmp_path / "store", **settings)
    fresh = prepare_store(corpus, tiny_tokenizer, tmp_path / "fresh", **settings)
    assert contents(store.path) == contents(fresh.path)


@pytest.mark.usefixtures("warm_pool")
def test_a_worker_that_is_killed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ChildProcessError, match="a worker process was killed.*--num_proc 2"):
        list(engines.run_tasks(signal.raise_signal, [signal.SIGKILL] * 2, num_proc=2))


def test_ray_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'pip install "hf-mplm\[ray\]"'):
        list(engines.run_tasks(abs, [1], engine="ray"))


@pytest.mark.slow
def test_all_of_udhr_and_bible(shared_data: Path, tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    corpus = [shared_data / "udhr", shared_data / "bible"]
    store = prepare_store(corpus, tiny_tokenizer_folder, tmp_path / "store", holdout=5, num_proc=2)
    assert len(store.languages) >= 457
    rows = Counter(row["language"] for row in iter_corpus(corpus))
    counts = store.info["languages"]
    assert {code: counts[code]["sentences"] + counts[code]["holdout_sentences"] for code in counts} == rows
    assert load_store(store.path).info == store.info
