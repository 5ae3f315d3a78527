from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hf_mplm.cli.main import main
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.evaluation.results import make_row, write_results
from hf_mplm.jobs.digests import write_digests
from tests.faults import flip_bit
from tests.fixtures import CORPUS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("made") / "store"
    prepare_store(CORPUS, tiny_tokenizer_folder, folder, chunk_length=32, holdout=1)
    return folder


def test_a_line_for_each_folder(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    for name in ("checkpoint-10", "checkpoint-20"):
        (run / name).mkdir(parents=True)
        (run / name / "model.safetensors").write_bytes(b"weights" * 100)
        write_digests(run / name)
    assert main(["check", str(made), str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [str(made), *(str(run / f"checkpoint-{n}") for n in (10, 20))]
    assert all(": whole, " in line for line in lines)
    flip_bit(run / "checkpoint-10" / "model.safetensors", 300)
    assert main(["check", str(run)]) == 1
    damaged, whole = capsys.readouterr().out.splitlines()
    assert damaged == (
        f"{run / 'checkpoint-10'}: damaged: model.safetensors: its bytes are not those that were written"
    )
    assert "whole" in whole


def test_what_is_damaged_is_named(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Path(shutil.copytree(made, tmp_path / "store"))
    (store / "dataset_dict.json").unlink()
    arrow = next((store / "train").glob("*.arrow"))
    arrow.write_bytes(arrow.read_bytes()[:-1])
    assert main(["check", str(store)]) == 1
    assert "dataset_dict.json: it is missing (and 1 other files; --verbose names them)" in capsys.readouterr().out
    assert main(["check", str(store), "--verbose"]) == 1
    assert f"train/{arrow.name}: it has " in capsys.readouterr().out
    (store / "digests.json").write_text("null")
    assert main(["check", str(store)]) == 1
    assert "damaged: digests.json: it holds null" in capsys.readouterr().out


def test_nothing_to_check_is_no_success(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["check", str(made), str(tmp_path / "empty")]) == 1
    assert "nothing to check" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "nowhere")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_a_table_of_results_is_held_against_its_own_digest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = make_row(task="sib200", language="swh_Latn", metric="macro_f1", value=0.5, n=7, model="m")
    table = write_results(tmp_path / "run", [row])
    assert main(["check", str(tmp_path / "run")]) == 0
    assert "results.parquet: whole, 1 results" in capsys.readouterr().out
    table.write_bytes(table.read_bytes().replace(b"macro_f1", b"macro_f2"))
    assert main(["check", str(tmp_path / "run")]) == 1
    assert "damaged" in capsys.readouterr().out
