"""The quickstart, killed or out of disk at any moment, and with anything of it damaged."""

from __future__ import annotations

import importlib
import os
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hf_mplm.cli.main import main
from hf_mplm.evaluation.results import read_results
from tests.faults import flip_bit, in_child

from .test_quickstart import quickstart


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

SMALL = ("--max_steps", "6")


def weights(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name / "model.safetensors").read_bytes() for name in ("untrained", "baseline", "langsamp")}


def scores(folder: Path) -> list[tuple]:
    rows = read_results(folder / "results.parquet")
    return [(Path(row.model).name, row.task, row.setting, row.language, row.metric, row.value) for row in rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed one. Its number of changes to the disk stands in `changes`, beside it."""
    output = tmp_path_factory.mktemp("whole") / "out"
    for module in ("evaluation.runner", "trainers", "report.plots", "cli.quickstart_models", "hub.cards"):
        importlib.import_module(f"hf_mplm.{module}")  # once, and not in every process
    told, changes = in_child(partial(quickstart, output, *SMALL), output, None, "kill")
    assert told == "finished" and (output / "report.html").is_file(), told
    output.with_name("changes").write_text(str(changes))
    return output


def attempt(whole: Path, output: Path, fault: str, places: list[float]) -> None:
    changes = int(whole.with_name("changes").read_text())
    for place in places:
        told, _ = in_child(partial(run_raising, output), output, int(place * changes), fault)
        if fault == "kill":
            assert told in ("killed", "finished"), told
        else:
            assert told == "finished" or "no space left to write in" in told, told
    assert quickstart(output, *SMALL) == 0
    assert weights(output) == weights(whole) and scores(output) == scores(whole)
    assert "## Results" in (output / "langsamp" / "README.md").read_text(encoding="utf-8")
    assert not [path for path in output.rglob("*") if path.name.endswith((".making", ".unfinished", ".training"))]
    assert main(["check", str(output)]) == 0


def run_raising(output: Path) -> None:
    from hf_mplm.cli import quickstart as module

    arguments = ["--output", str(output), "--languages", "eng_Latn", "rus_Cyrl", "tha_Thai", "--vocab_size", "900"]
    arguments += ["--hidden_size", "32", "--num_hidden_layers", "2", "--num_attention_heads", "2"]
    module.run([*arguments, "--batch_size", "4", "--chunk_length", "64", *SMALL])


@pytest.mark.parametrize("fault", ["kill", pytest.param("full disk", marks=pytest.mark.slow)])
def test_met_at_drawn_moments(whole: Path, tmp_path: Path, fault: str) -> None:
    draw = random.Random(fault)
    attempt(whole, tmp_path / "out", fault, sorted(draw.random() for _ in range(2)))


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["kill", "full disk"])
@pytest.mark.parametrize("part", range(10))
def test_met_at_every_moment(whole: Path, tmp_path: Path, fault: str, part: int) -> None:
    attempt(whole, tmp_path / "out", fault, [part / 10 + step / 60 for step in range(1, 6)])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "state: null": lambda out: (out / "quickstart.json").write_text("null"),
    "state: cut": lambda out: cut(out / "quickstart.json"),
    "state: {}": lambda out: (out / "quickstart.json").write_text("{}"),
    "state: steps": lambda out: (out / "quickstart.json").write_text('{"arguments": {}, "max_steps": "many"}'),
    "tokenizer cut": lambda out: cut(out / "tokenizer" / "tokenizer.json"),
    "store flipped": lambda out: flip_bit(next((out / "store" / "train").glob("*.arrow")), 4321),
    "start flipped": lambda out: flip_bit(out / "untrained" / "model.safetensors", 54321),
    "model flipped": lambda out: flip_bit(out / "langsamp" / "model.safetensors", 54321),
    "mark gone": lambda out: (out / "baseline" / "made_of.json").unlink(),
    "config gone": lambda out: (out / "untrained" / "config.json").unlink(),
    "digests gone": lambda out: (out / "encoder" / "digests.json").write_text("[]"),
    "scores flipped": lambda out: flip_bit(out / "scores" / "langsamp" / "results.parquet", 99),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_in_one_line_and_mended(
    damage: str, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Path(shutil.copytree(whole, tmp_path / "out"))
    DAMAGE[damage](output)
    assert quickstart(output, *SMALL) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--overwrite" in said and ("damaged: " in said or "other values of" in said), said


def test_overwriting_mends_what_is_damaged(whole: Path, tmp_path: Path) -> None:
    output = Path(shutil.copytree(whole, tmp_path / "out"))
    DAMAGE["start flipped"](output)
    before = (output / "tokenizer" / "tokenizer.json").stat().st_mtime_ns
    assert quickstart(output, *SMALL, "--overwrite") == 0
    assert weights(output) == weights(whole)
    assert (output / "tokenizer" / "tokenizer.json").stat().st_mtime_ns == before, "what is whole stays"


def test_a_model_begun_after_a_break_is_the_one_of_an_undisturbed_run(whole: Path, tmp_path: Path) -> None:
    output = Path(shutil.copytree(whole, tmp_path / "out"))
    for name in ("langsamp", "scores/langsamp"):
        shutil.rmtree(output / name)
    # Its tables are random, and this process has trained no baseline before it draws them.
    assert quickstart(output, *SMALL) == 0
    assert weights(output) == weights(whole) and scores(output) == scores(whole)


def test_the_second_is_told_who_the_first_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hf_mplm.cli.quickstart_job import QuickstartJob

    output, told = tmp_path / "out", []

    def meanwhile(self: QuickstartJob) -> None:
        told.append(quickstart(output, *SMALL))
        raise ValueError("enough")

    monkeypatch.setattr(QuickstartJob, "_prepare", meanwhile)
    assert quickstart(output, *SMALL) == 2 and told == [2]
    assert "is in use: hf-mplm quickstart writes there at this moment (host " in capsys.readouterr().err
