from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from transformers import TrainingArguments

from hf_mplm.cli.parser import MplmArgumentParser
from hf_mplm.recipes import list_recipes, load_recipe


@dataclass
class Arguments:
    model: str | None = None
    learning_rate: float = 1e-3
    languages: list[str] | None = None
    alpha: str = "0.3"
    shuffle: bool = True
    output: str = field(default="out")


@dataclass
class Percent:
    model: str | None = field(default=None, metadata={"help": "a model, 100% local"})


@dataclass
class Required:
    store: str = field(metadata={"help": "needed"})


def parse(tmp_path: Path, recipe: str, *argv: str) -> Arguments:
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe, encoding="utf-8")
    (arguments,) = MplmArgumentParser(Arguments, prog="hf-mplm test").parse(["--config", str(path), *argv])
    return arguments


def test_command_line_wins_over_recipe_wins_over_default(tmp_path: Path) -> None:
    arguments = parse(tmp_path, "learning_rate: 5e-5\nmodel: a\n", "--model", "b")
    assert arguments.learning_rate == 5e-5  # YAML 1.1 reads 5e-5 as text
    assert arguments.model == "b"
    assert arguments.output == "out"


def test_lists_mappings_and_switches(tmp_path: Path) -> None:
    arguments = parse(tmp_path, "languages: [eng_Latn, tha_Thai]\nalpha: {start: 0.3, end: 0.1}\nshuffle: false\n")
    assert arguments.languages == ["eng_Latn", "tha_Thai"]
    assert arguments.alpha == '{"start": 0.3, "end": 0.1}'
    assert arguments.shuffle is False


def test_an_unknown_key_names_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(tmp_path, "learning_rte: 5e-5\n")
    assert "`learning_rate`" in capsys.readouterr().err


def test_a_value_of_the_wrong_type_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(tmp_path, "learning_rate: fast\n")
    assert "learning_rate: 'fast'" in capsys.readouterr().err


def test_a_recipe_satisfies_a_required_flag(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("store: here\n", encoding="utf-8")
    (required,) = MplmArgumentParser(Required).parse(["--config", str(path)])
    assert required.store == "here"
    with pytest.raises(SystemExit):
        MplmArgumentParser(Required).parse([])


def test_extends_and_circles(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"extends: {tmp_path / 'b.yaml'}\nmodel: a\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("model: b\noutput: there\n", encoding="utf-8")
    assert load_recipe(tmp_path / "a.yaml") == {"model": "a", "output": "there"}
    (tmp_path / "b.yaml").write_text(f"extends: {tmp_path / 'a.yaml'}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="circle"):
        load_recipe(tmp_path / "a.yaml")


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(FileNotFoundError, match="langsamp"):
        load_recipe("langsmap")


def test_every_recipe_of_the_package_is_readable() -> None:
    assert list_recipes()
    for name in list_recipes():
        assert load_recipe(name)


def test_help_survives_percent_signs_and_training_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        MplmArgumentParser((Percent, TrainingArguments)).parse(["--help"])
    assert stopped.value.code == 0
    assert "100% local" in capsys.readouterr().out
