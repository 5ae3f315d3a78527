from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModel

from hf_mplm import XLMRobertaForLangScriptMLM
from hf_mplm.evaluation.encoder import TransformerEncoder
from hf_mplm.evaluation.loading import load_model, model_revision
from hf_mplm.evaluation.results import RESULT_FIELDS, make_row, read_metadata, read_results, write_results
from hf_mplm.evaluation.runner import evaluate
from hf_mplm.evaluation.tasks import TASKS, get_task
from tests.fixtures import tiny_xlm_roberta


FAST = {"sib200": {"learning_rate": 5e-3, "num_train_epochs": 1, "batch_size": 8, "gradient_accumulation_steps": 1}}
BOTH = {"transfer_settings": ["probe", "zero-shot"], "finetuning": FAST}


def test_one_table_with_every_column(sib_data, tiny_encoder_folder, tmp_path):
    rows = evaluate(tiny_encoder_folder, "flores,sib200", sib_data, output=tmp_path / "run", **BOTH)
    assert read_results(tmp_path / "run") == rows
    assert RESULT_FIELDS == (
        *("task", "language", "script", "resource", "script_group", "family", "source_language", "direction"),
        *("setting", "layer", "metric", "value", "n", "n_skipped", "seed", "model", "revision"),
    )
    thai = [row for row in rows if row.language == "tha_Thai" and row.setting == "zero-shot"]
    assert {row.metric for row in thai} == {"macro_f1", "accuracy"}
    assert (thai[0].script, thai[0].script_group, thai[0].resource) == ("Thai", "non-Latn", "head")
    assert (thai[0].source_language, thai[0].seed, thai[0].layer, thai[0].n) == ("eng_Latn", 42, -1, 21)
    assert {row.layer for row in rows if row.setting in ("plain", "probe")} == {1}
    assert all(0 <= row.value <= 1 for row in rows)
    metadata = read_metadata(tmp_path / "run")
    assert metadata["versions"]["transformers"] and metadata["hardware"]["cpu_count"]
    assert metadata["arguments"]["finetuning"] == FAST
    assert metadata["finetuning"]["sib200"]["max_length"] == 160


def test_finished_cells_are_not_computed_again(sib_data, tiny_encoder_folder, tmp_path, monkeypatch):
    whole = evaluate(tiny_encoder_folder, "flores,sib200", sib_data, output=tmp_path / "whole", **BOTH)

    class Interrupted(Exception):
        pass

    def interrupt(rows):
        if rows[0].setting == "zero-shot":
            raise Interrupted

    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        evaluate(tiny_encoder_folder, "flores,sib200", sib_data, output=run, on_rows=interrupt, **BOTH)
    begun = read_results(run)
    assert 0 < len(begun) < len(whole)
    computed = []
    rows = evaluate(tiny_encoder_folder, "flores,sib200", sib_data, output=run, on_rows=computed.extend, **BOTH)
    assert len(computed) == len(whole) - len(begun)
    assert sorted(map(repr, rows)) == sorted(map(repr, whole))
    monkeypatch.setattr(TransformerEncoder, "from_pretrained", None)
    monkeypatch.setattr("hf_mplm.evaluation.kinds.source_run.finetune", None)
    assert evaluate(tiny_encoder_folder, "flores,sib200", sib_data, output=run, **BOTH) == rows


def test_other_settings_are_refused_and_other_weights_computed(sib_data, tiny_tokenizer, tmp_path):
    folder = tmp_path / "model"
    tiny_tokenizer.save_pretrained(folder)
    tiny_xlm_roberta(len(tiny_tokenizer)).save_pretrained(folder)
    rows = evaluate(folder, "flores", sib_data, output=tmp_path / "run")
    with pytest.raises(ValueError, match=r"computed with csls_neighbours=10, not 5; give another --output"):
        evaluate(folder, "flores", sib_data, output=tmp_path / "run", csls_neighbours=5)
    tiny_xlm_roberta(len(tiny_tokenizer), seed=1).save_pretrained(folder)
    both = evaluate(folder, "flores", sib_data, output=tmp_path / "run")
    assert both[: len(rows)] == rows and len(both) == 2 * len(rows)
    assert len({row.revision for row in both}) == 2


@pytest.mark.parametrize("settings", [["few-shot-3"], ["in-language"]])
def test_few_shot_and_in_language(settings, sib_data, tiny_encoder_folder):
    rows = evaluate(tiny_encoder_folder, "sib200", sib_data, transfer_settings=settings, finetuning=FAST)
    cells = {(row.source_language, row.language) for row in rows}
    if settings == ["in-language"]:
        assert cells == {(code, code) for code in ("eng_Latn", "swh_Latn", "tha_Thai")}
    else:
        assert cells == {("eng_Latn", "swh_Latn"), ("eng_Latn", "tha_Thai")}
    assert {row.setting for row in rows} == set(settings)


def test_few_shot_starts_from_the_source_each_time(sib_data, tiny_encoder_folder):
    """A language's score must not depend on which languages came before it."""
    kwargs = {"transfer_settings": ["few-shot-5"], "finetuning": FAST}
    both = evaluate(tiny_encoder_folder, "sib200", sib_data, ["swh_Latn", "tha_Thai"], **kwargs)
    alone = evaluate(tiny_encoder_folder, "sib200", sib_data, ["tha_Thai"], **kwargs)
    assert [row for row in both if row.language == "tha_Thai"] == alone


def test_a_source_without_data_is_an_error_before_training(sib_data, tiny_encoder_folder, monkeypatch):
    monkeypatch.setattr("hf_mplm.evaluation.kinds.source_run.finetune", None)
    with pytest.raises(FileNotFoundError, match="no train sentences of yor_Latn"):
        evaluate(tiny_encoder_folder, "sib200", sib_data, source_languages=["yor_Latn"])
    (sib_data / "sib200/eng_Latn/dev.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no dev sentences of eng_Latn: .*dev\.tsv is missing"):
        evaluate(tiny_encoder_folder, "sib200", sib_data)


def test_a_label_outside_the_set_is_named(sib_data, tiny_encoder_folder):
    path = sib_data / "sib200/swh_Latn/test.tsv"
    path.write_text(path.read_text().replace("\ttravel\t", "\ttravels\t", 1))
    with pytest.raises(ValueError, match=r"swh_Latn/test\.tsv:3 has the label 'travels', which is none of"):
        evaluate(tiny_encoder_folder, "sib200", sib_data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tasks": "sib20"}, "no task 'sib20'; did you mean sib200"),
        ({"tasks": ""}, "no task was given; the tasks are americasnli"),
        ({"languages": "swh_Lat"}, "nearest are"),
        ({"transfer_settings": ["zeroshot"]}, "'zeroshot' is not known"),
        ({"transfer_settings": ["few-shot-0"]}, "'few-shot-0' is not known"),
        ({"tasks": "xnli"}, "has no data of the task xnli"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, sib_data, tiny_encoder_folder):
    given = {"tasks": "sib200", **arguments}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        evaluate(tiny_encoder_folder, data_dir=sib_data, **given)


def test_an_encoder_cannot_be_fine_tuned(sib_data, tiny_encoder_folder):
    encoder = TransformerEncoder.from_pretrained(tiny_encoder_folder)
    with pytest.raises(ValueError, match="sib200 would fine-tune the model, which takes a Hub id or a folder"):
        evaluate(encoder, "sib200", sib_data)
    by_encoder = evaluate(encoder, "sib200,flores", sib_data, transfer_settings=["probe"])
    by_folder = evaluate(tiny_encoder_folder, "sib200,flores", sib_data, transfer_settings=["probe"])
    assert by_encoder == by_folder


def test_every_registered_task_has_its_name():
    assert {name: get_task(name).name for name in TASKS} == {name: name for name in TASKS}


def test_an_encoder_that_would_be_partly_random_is_refused(tiny_tokenizer, tmp_path):
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    state = {key: value for key, value in model.state_dict().items() if "layer.1.output" not in key}
    model.save_pretrained(tmp_path / "torn", state_dict=state)
    with pytest.raises(ValueError, match="lacks 4 weights of its encoder"):
        load_model(tmp_path / "torn")


def test_missing_token_types_become_zeros(tiny_tokenizer, tmp_path, caplog):
    """Published LangSAMP checkpoints lack the table; a random one would disturb every token."""
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    state = {key: value for key, value in model.state_dict().items() if "token_type" not in key}
    model.save_pretrained(tmp_path / "langsamp", state_dict=state)
    stock = AutoModel.from_pretrained(tmp_path / "langsamp")
    assert stock.embeddings.token_type_embeddings.weight.abs().sum() > 0
    loaded = load_model(tmp_path / "langsamp")
    assert loaded.embeddings.token_type_embeddings.weight.abs().sum() == 0
    assert "no token type embeddings" in caplog.text


def test_weights_are_loaded_in_float32(tiny_tokenizer, tmp_path):
    tiny_xlm_roberta(len(tiny_tokenizer)).to(torch.bfloat16).save_pretrained(tmp_path / "half")
    assert load_model(tmp_path / "half").dtype == torch.float32


def test_the_revision_of_a_folder_follows_its_weights(tiny_tokenizer, tmp_path):
    tiny_xlm_roberta(len(tiny_tokenizer)).save_pretrained(tmp_path / "a")
    tiny_xlm_roberta(len(tiny_tokenizer), seed=1).save_pretrained(tmp_path / "b")
    assert model_revision(tmp_path / "a") == model_revision(tmp_path / "a") != model_revision(tmp_path / "b")


def test_rows_hold_finite_numbers_and_known_languages(tmp_path):
    row = make_row(task="sib200", language="swa", metric="macro_f1", value=0.5, n=204, model="m")
    assert (row.language, row.seed, row.layer) == ("swh_Latn", -1, -1)
    with pytest.raises(ValueError, match="nan"):
        make_row(task="sib200", language="swh_Latn", metric="macro_f1", value=float("nan"), n=0, model="m")
    write_results(tmp_path / "mine.parquet", [row], {"note": "x"})
    assert read_results(tmp_path / "mine.parquet") == [row]
    assert json.loads((tmp_path / "mine.json").read_text()) == {"note": "x"}
    write_results(tmp_path / "empty.parquet", [])
    assert read_results(tmp_path / "empty.parquet") == []
    with pytest.raises(FileNotFoundError, match="hf-mplm evaluate"):
        read_results(tmp_path / "nowhere")


def test_a_langsamp_checkpoint_is_measured_as_its_encoder(sib_data, tiny_encoder_folder, tiny_tokenizer, tmp_path):
    """The tables of a LangSAMP model belong to its LM head: neither retrieval nor a classifier may see them."""
    model = XLMRobertaForLangScriptMLM.from_encoder(tiny_encoder_folder, languages=["eng"], scripts=["Latn"])
    model.save_pretrained(tmp_path / "langsamp")
    tiny_tokenizer.save_pretrained(tmp_path / "langsamp")
    model.export_encoder(tmp_path / "encoder")
    tiny_tokenizer.save_pretrained(tmp_path / "encoder")
    values = [
        [row.value for row in evaluate(tmp_path / name, "flores,sib200", sib_data, **BOTH)]
        for name in ("langsamp", "encoder")
    ]
    assert values[0] == values[1]
