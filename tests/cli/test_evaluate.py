from __future__ import annotations

import json

import pytest
from huggingface_hub import ModelCard

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


def test_the_card_of_a_real_checkpoint_gets_the_scores(flags, tmp_path, capsys):
    model = flags[1]
    more = ["--tasks", "flores,sib200", "--transfer_settings", "probe", "--update_card"]
    assert main(["evaluate", *flags, *more]) == 0
    written = capsys.readouterr().out
    card = ModelCard.load(f"{model}/README.md")
    assert f"{model}/README.md" in written
    rows = read_results(tmp_path / "run")
    values = [row.value for row in rows if row.task == "flores" and row.metric == "accuracy@10"]
    found = {(result.dataset_type, result.metric_type): result.metric_value for result in card.data.eval_results}
    assert found["flores", "accuracy@10"] == pytest.approx(sum(values) / len(values), abs=1e-6)
    assert {metric for task, metric in found if task == "sib200"} == {"macro_f1", "accuracy"}
    assert "| sib200 | probe, layer 1 | eng_Latn | macro_f1 |" in card.text
    # A card is no weight: the same command goes on where it was, and the scores stand there once.
    assert main(["evaluate", *flags, *more]) == 0
    assert read_results(tmp_path / "run") == rows
    assert ModelCard.load(f"{model}/README.md").text.count("## Results") == 1


def test_what_mteb_measures_is_exported_by_either_verb(flags, tmp_path, capsys):
    for code, sentences in (("swh", ["one mbili", "three nne"]), ("eng", ["one two", "three four"])):
        path = tmp_path / "data" / "tatoeba" / f"tatoeba.swh-eng.{code}"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(sentences), encoding="utf-8")
    more = ["--tasks", "tatoeba,flores", "--directions", "target->source", "--mteb", str(tmp_path / "mteb")]
    assert main(["evaluate", *flags, *more]) == 0
    assert "of SIB-200" in capsys.readouterr().out
    (file,) = (tmp_path / "mteb").rglob("Tatoeba.json")
    values = {row.metric: row.value for row in read_results(tmp_path / "run") if row.task == "tatoeba"}
    (scores,) = json.loads(file.read_text(encoding="utf-8"))["scores"]["test"]
    assert (scores["main_score"], scores["accuracy"]) == (values["f1"], values["accuracy@1"])
    run_folder, again = str(tmp_path / "run"), tmp_path / "again"
    assert main(["compare", run_folder, "--output", str(tmp_path / "page"), "--mteb", str(again)]) == 0
    assert next(again.rglob("Tatoeba.json")).read_text() == file.read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--tasks", "sib"], "there is no task 'sib'"),
        (["--tasks", "sib200", "--finetuning", "{"], "--finetuning is not JSON"),
        (["--tasks", "sib200", "--finetuning", '{"sib200": {"lr": 1}}'], "lr is none of learning_rate"),
        (["--tasks", "sib200", "--languages", "swh_Ltan"], "nearest are"),
        (["--tasks", "flores", "--update_card", "--model", "org/on-the-hub"], "--update_card writes into"),
        (["--tasks", "flores", "--layer", "9"], "layer 9 does not exist"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(flags, more, message, capsys):
    assert main(["evaluate", *flags, *more]) == 2
    assert message in capsys.readouterr().err
