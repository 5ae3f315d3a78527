from __future__ import annotations

import pytest

from hf_mplm.cli.evaluate import make_parser, run
from hf_mplm.cli.main import main
from hf_mplm.evaluation.results import read_metadata, read_results
from hf_mplm.evaluation.runner import evaluate
from hf_mplm.recipes import list_recipes
from tests.evaluation.conftest import write_sib200
from tests.fixtures import tiny_xlm_roberta


@pytest.fixture
def flags(tmp_path, tiny_tokenizer):
    model = tmp_path / "model"
    tiny_xlm_roberta(len(tiny_tokenizer)).save_pretrained(model)
    tiny_tokenizer.save_pretrained(model)
    data = write_sib200(tmp_path / "data")
    return ["--model", str(model), "--data_dir", str(data), "--output", str(tmp_path / "run")]


def test_the_verb_does_what_the_function_does(flags, tmp_path, capsys):
    settings = '{"sib200": {"learning_rate": 1e-3, "num_train_epochs": 1}}'
    more = ["--tasks", "flores,sib200", "--retrieval_settings", "plain,centred", "--finetuning", settings]
    assert run([*flags, *more, "--languages", "swh_Latn,tha_Thai", "--seeds", "1,2"]) == 0
    rows = read_results(tmp_path / "run")
    assert {row.setting for row in rows} == {"plain", "centred", "zero-shot"}
    assert {row.seed for row in rows} == {-1, 1, 2}
    expected = evaluate(
        flags[1],
        ["flores", "sib200"],
        flags[3],
        ["swh_Latn", "tha_Thai"],
        retrieval_settings=["plain", "centred"],
        seeds=[1, 2],
        finetuning={"sib200": {"learning_rate": 1e-3, "num_train_epochs": 1}},
    )
    assert rows == expected
    printed = capsys.readouterr().out
    assert "sib200 macro_f1 (zero-shot" in printed and "results.parquet" in printed


def test_a_recipe_of_the_paper_is_taken_by_name(flags, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("extends: evaluate-langsamp\ntransfer_settings: probe\nseeds: 7\n")
    assert run([*flags, "--tasks", "sib200", "--config", str(recipe)]) == 0
    assert read_metadata(tmp_path / "run")["arguments"]["finetuning"]["sib200"]["max_length"] == 160
    for name in list_recipes():
        if name.startswith("evaluate-"):
            (args,) = make_parser().parse([*flags, "--tasks", "sib200", "--config", name])
            assert args.finetuning is not None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--tasks", "sib"], "there is no task 'sib'"),
        (["--tasks", "sib200", "--finetuning", "{"], "--finetuning is not JSON"),
        (["--tasks", "sib200", "--finetuning", '{"sib200": {"lr": 1}}'], "lr is none of learning_rate"),
        (["--tasks", "sib200", "--languages", "swh_Ltan"], "nearest are"),
        (["--tasks", "flores", "--layer", "9"], "layer 9 does not exist"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(flags, more, message, capsys):
    assert main(["evaluate", *flags, *more]) == 2
    assert message in capsys.readouterr().err
