"""A score is known by model, settings and data; a task is an object; what was named is never lost in silence."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from hf_mplm.cli.main import main
from hf_mplm.evaluation.benchmarks.sib200 import LABELS, Sib200Corpus
from hf_mplm.evaluation.encoder import TransformerEncoder
from hf_mplm.evaluation.kinds.classification import ClassificationTask
from hf_mplm.evaluation.kinds.finetuning import finetune
from hf_mplm.evaluation.loading import model_revision
from hf_mplm.evaluation.results import RESULT_FIELDS, read_results, write_results
from hf_mplm.evaluation.runner import evaluate
from hf_mplm.jobs.files import DamagedError
from hf_mplm.jobs.lock import FolderInUseError, hold_folder


FAST = {"sib200": {"learning_rate": 5e-3, "num_train_epochs": 1, "batch_size": 8, "gradient_accumulation_steps": 1}}


@pytest.fixture
def model(tiny_encoder_folder, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in tiny_encoder_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_task_is_an_object(sib_data, model):
    mine = ClassificationTask("mine", LABELS, Sib200Corpus, ("accuracy",))
    rows = evaluate(TransformerEncoder.from_pretrained(model), [mine], sib_data, transfer_settings="probe")
    named = evaluate(model, "sib200", sib_data, transfer_settings=["probe"])
    values = {row.language: row.value for row in named if row.metric == "accuracy"}
    assert {row.language: row.value for row in rows} == values and {row.task for row in rows} == {"mine"}
    assert list(rows.to_dataframe().columns) == list(RESULT_FIELDS)


def test_a_changed_file_is_scored_again_and_nothing_else(sib_data, model, tmp_path, caplog):
    run = tmp_path / "run"
    kwargs = {"transfer_settings": "probe", "output": run}
    before = evaluate(model, "sib200", sib_data, **kwargs)
    (run / "results.json").unlink()
    path = sib_data / "sib200/swh_Latn/test.tsv"
    path.write_text("\n".join(path.read_text(encoding="utf-8").split("\n")[:-3]), encoding="utf-8")
    computed = []
    after = evaluate(model, "sib200", sib_data, on_rows=computed.extend, **kwargs)
    assert {row.language for row in computed} == {"swh_Latn"} and {row.n for row in computed} == {18}
    assert len(after) == len(before) and "sib200/swh_Latn/test.tsv" in caplog.text
    with pytest.raises(ValueError, match="computed with encoding="):
        evaluate(model, "sib200", sib_data, prompt="query: ", **kwargs)


def test_the_fingerprint_follows_the_tokenizer_and_not_the_card(model):
    before = model_revision(model)
    (model / "README.md").write_text("a card")
    assert model_revision(model) == before
    path = model / "tokenizer_config.json"
    path.write_bytes(path.read_bytes()[:-2])
    assert model_revision(model) != before


def test_old_and_damaged_tables_are_told(sib_data, model, tmp_path):
    run = tmp_path / "run"
    rows = evaluate(model, "sib200", sib_data, transfer_settings="probe", output=run)
    raw = (run / "results.parquet").read_bytes()
    table = pq.ParquetFile(run / "results.parquet").metadata
    chunks = [table.row_group(0).column(number) for number in range(table.num_columns)]
    starts = [min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset))) for chunk in chunks]
    values = {at for start, chunk in zip(starts, chunks) for at in range(start, start + chunk.total_compressed_size)}
    seen = 0
    for place in range(4, len(raw), max(1, len(raw) // 60)):
        damaged = bytearray(raw)
        damaged[place] ^= 4
        (run / "results.parquet").write_bytes(bytes(damaged))
        try:
            # Arrow keeps a second copy of what it says of itself, which nothing reads.
            assert read_results(run) == rows
        except DamagedError as error:
            assert str(error).startswith("damaged: ")
            seen += place in values
    # Fewer than all of them: a page's header has fields that no checksum covers and no row depends on.
    assert seen > 5
    write_results(run, rows, {})
    with pytest.raises(ValueError, match="does not say what its scores were computed from"):
        evaluate(model, "sib200", sib_data, transfer_settings="probe", output=run)


def test_the_second_writer_is_refused(sib_data, model, tmp_path):
    with hold_folder(tmp_path / "run", "hf-mplm evaluate"), pytest.raises(FolderInUseError, match="process"):
        evaluate(model, "flores", sib_data, output=tmp_path / "run")


@pytest.mark.parametrize(
    ("tasks", "languages", "status"),
    [("sib200,flores", "swh_Latn", 0), ("flores", "eng_Latn", 1), ("flores", "yor_Latn", 1)],
)
def test_what_was_named_and_gave_nothing_makes_the_status(tasks, languages, status, sib_data, model, tmp_path, capsys):
    flags = ["--model", str(model), "--data_dir", str(sib_data), "--output", str(tmp_path / "run")]
    more = ["--tasks", tasks, "--languages", languages, "--transfer_settings", "probe"]
    assert main(["evaluate", *flags, *more]) == status
    assert ("gave no result" in capsys.readouterr().err) == bool(status)


def test_few_shot_settings_share_one_training(sib_data, model, monkeypatch):
    trained = []

    def count(*args, **kwargs):
        trained.append(kwargs["description"])
        return finetune(*args, **kwargs)

    kwargs = {"languages": "swh_Latn", "finetuning": FAST}
    settings = ["few-shot-3", "few-shot-5", "zero-shot"]
    alone = [evaluate(model, "sib200", sib_data, transfer_settings=setting, **kwargs) for setting in settings]
    monkeypatch.setattr("hf_mplm.evaluation.kinds.source_run.finetune", count)
    rows = evaluate(model, "sib200", sib_data, transfer_settings=",".join(settings), **kwargs)
    assert sorted(map(repr, rows)) == sorted(repr(row) for run in alone for row in run)
    assert trained == ["sib200 eng_Latn", "sib200 swh_Latn", "sib200 swh_Latn"]


def test_strings_are_lists_as_on_the_command_line(sib_data, model):
    rows = evaluate(model, "flores", sib_data, directions="source->target, target->source", retrieval_settings="plain")
    assert {row.direction for row in rows} == {"source->target", "target->source"}


@pytest.mark.parametrize("include_prompt", [True, False])
def test_a_sentence_transformers_folder_is_pooled_by_its_own_modules(include_prompt, sib_data, model):
    (model / "1_Pooling").mkdir()
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True, "include_prompt": include_prompt}
    (model / "1_Pooling/config.json").write_text(json.dumps(pooling))
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    listed = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in kinds]
    (model / "modules.json").write_text(json.dumps(listed))
    said = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    (model / "config_sentence_transformers.json").write_text(json.dumps(said))
    from hf_mplm.evaluation.measured import describe_model
    from hf_mplm.evaluation.settings import EncodingSettings, LoadingSettings

    found = describe_model(model, EncodingSettings(), LoadingSettings())
    texts = ["a first sentence", "another one"]
    tokenizer, encoder = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    expected = []
    for text in texts:
        batch = tokenizer(f"query: {text}", return_tensors="pt")
        with torch.no_grad():
            hidden = encoder(**batch).last_hidden_state[0]
        prompt = 0 if include_prompt else len(tokenizer("query:")["input_ids"]) - 1
        vector = torch.cat([hidden[0], hidden[prompt:].mean(0)])
        expected.append((vector / vector.norm()).numpy())
    assert found.layer == encoder.config.num_hidden_layers
    np.testing.assert_allclose(found.encoder.encode(texts), np.stack(expected), atol=1e-5)
    assert describe_model(model, EncodingSettings(layer=1), LoadingSettings()).encoding["pooling"] == "mean"
    listed[2]["type"] = "my_code.Head"
    (model / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(ValueError, match="my_code.Head, which is code of its own"):
        describe_model(model, EncodingSettings(), LoadingSettings())


def test_an_absurd_configuration_is_refused_before_it_is_built(sib_data, model):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1_000_000}))
    with pytest.raises(DamagedError, match="its num_hidden_layers is 1,000,000"):
        evaluate(model, "flores", sib_data)
