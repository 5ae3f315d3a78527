"""`hf-mplm transfer train-task` and `hf-mplm transfer languages`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_mplm.cli.main import main
from hf_mplm.transfer.modules import ModuleRecord
from hf_mplm.transfer.tuning import Base
from tests.transfer.world import World, build_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("world"))


def train(world: World, output: Path, *words: str) -> int:
    own = ["--model", str(world.base), "--data_dir", str(world.data), "--output", str(output)]
    return main(["transfer", "train-task", "--config", "transfer-study", *own, *words])


def test_modules_are_written_once(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--task", "sib200,pos", "--max_examples", "8", "--rank", "2")
    assert train(world, tmp_path, *words) == 0
    told = capsys.readouterr().out
    assert "24 training examples in 3 languages" in told and f"are in {tmp_path}" in told
    assert "nothing is trained in fra_Latn" in told
    record = ModuleRecord.load(tmp_path / "pos")
    assert (record.size, record.base) == (2, Base.load(world.base).digest)
    assert record.settings["num_train_epochs"] == 5  # the recipe's
    card = (tmp_path / "pos" / "README.md").read_text()
    assert "library_name: peft" in card and "token-classification" in card and "TaskModule" in card
    written = (tmp_path / "pos" / "adapter_model.safetensors").stat().st_mtime_ns
    assert train(world, tmp_path, *words) == 0
    assert "was finished already" in capsys.readouterr().out
    assert (tmp_path / "pos" / "adapter_model.safetensors").stat().st_mtime_ns == written
    # Made from something else it is refused, and left as it is.
    assert train(world, tmp_path, "--task", "pos", "--max_examples", "9", "--rank", "2") == 2
    assert "made from something else" in capsys.readouterr().err
    assert (tmp_path / "pos" / "adapter_model.safetensors").stat().st_mtime_ns == written
    assert not list(tmp_path.glob("*.training"))


def test_language_adapters_are_written(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", str(world.base), "--store", str(world.store), "--output", str(tmp_path), "--rank", "2"]
    words += ["--languages", "deu_Latn", "--language_max_steps", "2"]
    assert main(["transfer", "languages", "--config", "transfer-study", *words]) == 0
    assert "deu_Latn: trained, 2 steps" in capsys.readouterr().out
    record = json.loads((tmp_path / "deu_Latn" / "module.json").read_text())
    assert record["kind"] == "language" and record["settings"]["learning_rate"] == 5e-4
    assert main(["transfer", "languages", *words[:-4], "--languages", "kor_Hang"]) == 2
    assert "no text of kor_Hang" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--task", "tatoeba"), "without training"),
        (("--task", "ner"), "no training data of ner"),
        (("--task", "poss"), "did you mean pos"),
        (("--task", "pos", "--max_examples", "0"), "max_examples"),
        (("--task", "pos", "--finetuning", "[1]"), "finetuning"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], why: str
) -> None:
    assert train(world, tmp_path, *words) == 2
    assert why in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
