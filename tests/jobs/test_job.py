from __future__ import annotations

import errno
import os
import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hf_mplm.cli.main import main
from hf_mplm.data.store import prepare
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.jobs import engines
from hf_mplm.jobs import job as jobs
from hf_mplm.jobs.files import DamagedError, explain_full_disk, read_json, write_json
from hf_mplm.jobs.job import Job, make_folder
from hf_mplm.jobs.parts import read_result, write_result
from tests.faults import contents, flip_bit
from tests.fixtures import CORPUS


SMALL: dict[str, Any] = {"chunk_length": 24, "holdout": 1, "part_bytes": 700}


def job_of(output: Path) -> Job:
    return Job(
        output,
        output.with_name(f"{output.name}.making"),
        command="hf-mplm make",
        product="thing",
        mark="made_of.json",
        foreign="is no thing",
        inputs="settings",
    )


def fill(folder: Path) -> None:
    (folder / "a.txt").write_text("a")
    (folder / "README.md").write_text("a card")


@pytest.fixture(scope="module")
def begun(tiny_tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, the `whole` store of it, and as `kept` what a preparing of `store` left that was stopped."""
    folder = tmp_path_factory.mktemp("begun")
    shutil.copytree(CORPUS, folder / "corpus", ignore=shutil.ignore_patterns("*.md"))
    prepare_store(folder / "corpus", tiny_tokenizer_folder, folder / "whole", **SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "keep_tokenizer", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_store(folder / "corpus", tiny_tokenizer_folder, folder / "store", **SMALL)
    (folder / "store.preparing").rename(folder / "kept")
    return folder


@pytest.fixture
def unfinished(begun: Path) -> Path:
    """The folder of a preparing that was stopped before the parts were put together."""
    for name in ("store", "store.preparing"):
        shutil.rmtree(begun / name, ignore_errors=True)
    return Path(shutil.copytree(begun / "kept", begun / "store.preparing"))


def twice(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("{", '{"size": 1, "identity": {}, ', 1).rstrip()[:-1] + ', "size": 2}', encoding="utf-8"
    )


DAMAGE: dict[str, Callable[[Path], object]] = {
    "null": lambda path: path.write_text("null"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "a key twice": twice,
    "a list": lambda path: path.write_text("[]"),
    "a number": lambda path: path.write_text("3"),
    "another object": lambda path: path.write_text('{"found": {}}'),
    "deep": lambda path: path.write_text("[" * 100_000),
    "not UTF-8": lambda path: path.write_bytes(b'{"a": "\xff"}'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_plan_is_refused_and_overwritten(
    damage: str, unfinished: Path, begun: Path, tiny_tokenizer_folder: Path
) -> None:
    DAMAGE[damage](unfinished / "plan.json")
    arguments = (begun / "corpus", tiny_tokenizer_folder, begun / "store")
    with pytest.raises(DamagedError, match="damaged: .*plan.json: .*To start over, repeat this command with --over"):
        prepare_store(*arguments, **SMALL)
    assert list((unfinished / "parts").glob("*.arrow")), "what was finished is not thrown away for that"
    store = prepare_store(*arguments, **SMALL, overwrite=True)
    assert contents(store.path) == contents(begun / "whole")


def bit_of(pattern: str, place: int) -> Callable[[Path], object]:
    return lambda work: flip_bit(sorted(work.glob(pattern))[0], place)


@pytest.mark.parametrize(
    "damage",
    [
        *(pytest.param(bit_of("parts/*.arrow", 97 * n), id=f"bit {n} of a part's tokens") for n in range(6)),
        *(pytest.param(bit_of("parts/*.json", 31 * n), id=f"bit {n} of a part's counts") for n in range(6)),
        *(pytest.param(bit_of("store/train/*.arrow", 301 * n), id=f"bit {n} of a shard") for n in range(4)),
        *(
            pytest.param(lambda work, do=do: do(sorted(work.glob("parts/*.json"))[1]), id=f"counts: {name}")
            for name, do in DAMAGE.items()
        ),
        pytest.param(lambda work: sorted(work.glob("parts/*.arrow"))[0].unlink(), id="a part without tokens"),
        pytest.param(lambda work: sorted(work.glob("parts/*.json"))[0].unlink(), id="a part without counts"),
        pytest.param(lambda work: DAMAGE["cut"](sorted(work.glob("parts/*.arrow"))[0]), id="a part cut short"),
        pytest.param(lambda work: shutil.rmtree(work / "parts"), id="no parts"),
        pytest.param(lambda work: shutil.rmtree(work / "encoder"), id="no encoder"),
        pytest.param(lambda work: sorted(work.glob("store/train/*.arrow"))[0].unlink(), id="a missing shard"),
        pytest.param(lambda work: DAMAGE["cut"](sorted(work.glob("shards/*.json"))[0]), id="a shard's digest cut"),
    ],
)
def test_damaged_parts_are_done_again(
    damage: Callable[[Path], object], unfinished: Path, begun: Path, tiny_tokenizer_folder: Path
) -> None:
    damage(unfinished)
    store = prepare_store(begun / "corpus", tiny_tokenizer_folder, begun / "store", **SMALL)
    assert contents(store.path) == contents(begun / "whole")


def test_results_of_parts_are_held_against_their_digests(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, result = tmp_path / "0.arrow", tmp_path / "0.json"
    data.write_bytes(b"tokens" * 100)
    assert read_result(result, data) is None and not caplog.records
    write_result(result, data, {"n": 1})
    assert read_result(result, data, ["n"]) == {"n": 1} and read_result(result, data, ["m"]) is None
    caplog.clear()
    flip_bit(data, 50)
    assert read_result(result, data) is None and "done again" in caplog.text
    # Only what this run itself wrote, or has looked at, is taken without reading it.
    assert read_result(result, data, verify=False) == {"n": 1}


def test_a_folder_is_made_once_and_refused_when_it_is_something_else(tmp_path: Path) -> None:
    output, made = tmp_path / "out", []

    def build(folder: Path) -> None:
        made.append(folder)
        fill(folder)

    plan = {"identity": {"a": 1}}
    assert make_folder(job_of(output), plan, build, undigested=["README.md"])
    assert not make_folder(job_of(output), plan, build) and len(made) == 1
    (output / "README.md").write_text("edited by hand")
    assert not make_folder(job_of(output), plan, build)
    with pytest.raises(ValueError, match=r"made from something else:\n  - a: 1 then, 2 now\n"):
        make_folder(job_of(output), {"identity": {"a": 2}}, build)
    assert make_folder(job_of(output), {"identity": {"a": 2}}, build, overwrite=True) and len(made) == 2
    flip_bit(output / "a.txt", 0)
    with pytest.raises(DamagedError, match="a.txt: its bytes are not .* repeat this command with --overwrite"):
        make_folder(job_of(output), {"identity": {"a": 2}}, build)
    assert make_folder(job_of(output), {"identity": {"a": 2}}, build, overwrite=True)
    (output / "made_of.json").unlink()
    with pytest.raises(DamagedError):
        make_folder(job_of(output), {"identity": {"a": 2}}, build)
    assert make_folder(job_of(output), {"identity": {"a": 2}}, build, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_ours_is_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "thesis.tex").write_text("dear")
    with pytest.raises(ValueError, match="exists and is no thing"):
        make_folder(job_of(output), {"identity": {}}, fill, overwrite=overwrite)
    assert contents(tmp_path) == {"out/thesis.tex": b"dear"}
    file = tmp_path / "file"
    file.write_text("dear")
    with pytest.raises(ValueError, match="is a file; needed is a folder"):
        make_folder(job_of(file), {"identity": {}}, fill, overwrite=overwrite)
    assert file.read_text() == "dear"


def test_an_error_leaves_nothing_and_keeps_what_stood_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"

    def fails(folder: Path) -> None:
        fill(folder)
        raise ValueError("too little text")

    with pytest.raises(ValueError, match="too little text"):
        make_folder(job_of(output), {"identity": {"a": 1}}, fails)
    assert not list(tmp_path.iterdir())
    make_folder(job_of(output), {"identity": {"a": 1}}, fill)
    before = contents(tmp_path)
    rename, calls = os.rename, []

    def second_fails(*paths: Any) -> None:
        calls.append(paths)
        if len(calls) == 2:
            raise OSError(errno.EIO, "the disk is gone")
        rename(*paths)

    monkeypatch.setattr(jobs.os, "rename", second_fails)
    with pytest.raises(OSError, match="the disk is gone"):
        make_folder(job_of(output), {"identity": {"a": 2}}, fill, overwrite=True)
    assert contents(tmp_path) == before and len(calls) == 3


def test_the_second_is_told_host_process_and_age(tmp_path: Path) -> None:
    job = job_of(tmp_path / "out")

    def meanwhile(folder: Path) -> None:
        fill(folder)
        with pytest.raises(OSError, match=rf"in use: hf-mplm make .*host .*, process {os.getpid()}, for \d+ s"):
            make_folder(job, {"identity": {}}, fill)
        assert (folder / "a.txt").is_file(), "the second touched nothing"

    assert make_folder(job, {"identity": {}}, meanwhile)


def _raise_damaged(path: Path) -> None:
    raise DamagedError(path, "it is cut short", "Fetch it again.")


@pytest.mark.usefixtures("warm_pool")
def test_damage_found_in_a_worker_is_told_as_damage(tmp_path: Path) -> None:
    again = pickle.loads(pickle.dumps(DamagedError(tmp_path / "x", "it is cut short", "Fetch it again.")))
    assert str(again) == f"damaged: {tmp_path / 'x'}: it is cut short. Fetch it again."
    with pytest.raises(DamagedError, match="it is cut short. Fetch it again."):
        list(engines.run_tasks(_raise_damaged, [tmp_path, tmp_path], num_proc=2))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EFBIG, "File too large"),
        Exception("No space left on device (os error 28)"),  # tokenizers
        RuntimeError("Error while serializing: I/O error: File too large (os error 27)"),  # safetensors
        RuntimeError("database or disk is full"),  # SQLite
    ],
)
def test_a_full_disk_is_recognised_in_anybodys_words(error: Exception, tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="no space left to write in .*Free some"),
        explain_full_disk(tmp_path, "Free some."),
    ):
        raise error
    with pytest.raises(RuntimeError, match="something else"), explain_full_disk(tmp_path, "Free some."):
        raise RuntimeError("something else")


def test_tokenizers_and_models_on_a_disk_that_fills_up(
    tiny_corpus: Path, tiny_encoder_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = pytest.importorskip("resource")
    train = ["tokenizer", "train", "--corpus", str(tiny_corpus), "--vocab_size", "190", "--num_threads", "1"]
    train += ["--languages", "eng_Latn", "kat_Geor", "--character_coverage", "0.98", "--output"]
    assert main([*train, str(tmp_path / "added")]) == 0
    extend = ["tokenizer", "extend", "--model", str(tiny_encoder_folder), "--tokenizer", str(tmp_path / "added")]
    limits = {1_000: [*train, str(tmp_path / "tokenizer")], 100_000: [*extend, "--output", str(tmp_path / "model")]}
    capsys.readouterr()
    for limit, command in limits.items():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            assert main(command) == 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert "no space left to write in" in said and "repeat the same command" in said
        assert [path.name for path in tmp_path.iterdir() if path.name not in ("tiny_corpus", "added")] == []
    for command in limits.values():
        assert main(command) == 0
    assert main(["check", str(tmp_path / "tokenizer"), str(tmp_path / "model")]) == 0


def test_json_that_is_not_there_is_not_null(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    assert read_json(path) is None
    write_json(path, None)
    with pytest.raises(DamagedError, match="it holds null"):
        read_json(path)
