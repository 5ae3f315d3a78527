"""The quickstart: what it makes, and what comes of it when it is killed, out of disk or damaged at any moment."""

from __future__ import annotations

import importlib
import json
import logging
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from hf_mplm import sample
from hf_mplm.cli import quickstart as verb
from hf_mplm.cli.main import main
from hf_mplm.cli.quickstart_parts import missing_romanizer
from hf_mplm.data.romanization.engine import load_engine
from hf_mplm.data.store.token_store import load_store
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.evaluation.results import read_results
from tests.faults import flip_bit, in_child


LANGUAGES = ["eng_Latn", "rus_Cyrl", "tha_Thai"]
MODELS = ("baseline", "langsamp", "aligned")
SMALL = ("--max_steps", "4")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def tiny_start(tiny_tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two small layers, in place of the encoder that ships."""
    folder = tmp_path_factory.mktemp("tiny") / "bert"
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertForMaskedLM(BertConfig(vocab_size=len(load_tokenizer(tiny_tokenizer_folder)), **size)).save_pretrained(folder)
    load_tokenizer(tiny_tokenizer_folder).save_pretrained(folder)
    return folder


def arguments(start: Path, output: Path, *more: str) -> list[str]:
    return (
        ["--config", "quickstart", "--model", str(start), "--output", str(output), "--languages", *LANGUAGES]
        + ["--num_new", "1", "--replay", "60", "--batch_size", "4", "--chunk_length", "64", "--num_proc", "1"]
        + ["--align_batch_size", "4", *(more or SMALL)]
    )


def quickstart(start: Path, output: Path, *more: str) -> int:
    return main(["quickstart", *arguments(start, output, *more)])


def run_raising(start: Path, output: Path) -> None:
    verb.run(arguments(start, output))


@pytest.fixture(scope="module")
def whole(tiny_start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed one. Its number of changes to the disk stands in `changes`, beside it."""
    output = tmp_path_factory.mktemp("whole") / "out"
    # Once, and not in every process.
    for module in ("evaluation.runner", "trainers", "report.plots", "cli.quickstart_models", "hub.cards"):
        importlib.import_module(f"hf_mplm.{module}")
    for module in ("matplotlib.figure", "scipy.stats", "sklearn.linear_model", "uroman"):
        with suppress(ImportError):
            importlib.import_module(module)
    if not missing_romanizer():
        load_engine()
    told, changes = in_child(partial(quickstart, tiny_start, output), output, None, "kill")
    assert told == "finished" and (output / "report.html").is_file(), told
    output.with_name("changes").write_text(str(changes))
    return output


def weights(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name / "model.safetensors").read_bytes() for name in MODELS}


def scores(folder: Path) -> list[tuple]:
    rows = read_results(folder / "results.parquet")
    return [(Path(row.model).name, row.task, row.setting, row.language, row.metric, row.value) for row in rows]


# ---- What it makes ----


def test_everything_that_is_promised_lies_there(whole: Path) -> None:
    for name in (*MODELS, "encoder"):
        assert (whole / name / "model.safetensors").is_file()
    for name in MODELS:
        assert "## Results" in (whole / name / "README.md").read_text(encoding="utf-8")
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 4 and "CC-BY-SA" in page
    assert not list(whole.glob("*/checkpoint-*"))


def test_the_table_has_every_model_task_and_language(whole: Path, tiny_start: Path) -> None:
    rows = read_results(whole / "results.parquet")
    assert {row.model for row in rows} == {str(tiny_start), *(str(whole / name) for name in MODELS)}
    for model in {row.model for row in rows}:
        for task, metric, languages in (
            ("holdout", "bits_per_character", LANGUAGES),
            ("flores", "accuracy@1", LANGUAGES[1:]),
            ("sib200", "macro_f1", LANGUAGES[1:]),
            ("neutrality", "language_probe_accuracy", LANGUAGES[1:]),
        ):
            of_model = [row for row in rows if row.model == model]
            found = {row.language for row in of_model if (row.task, row.metric) == (task, metric)}
            assert found >= set(languages), (model, task, metric)


def test_the_least_known_language_is_taught_and_the_others_are_replayed(whole: Path, tiny_start: Path) -> None:
    found = {
        row.language: row.value
        for row in read_results(whole / "results.parquet")
        if (row.model, row.task, row.setting, row.metric) == (str(tiny_start), "flores", "plain", "accuracy@1")
    }
    (taught,) = [code for code in LANGUAGES[1:] if found[code] == min(found.values())]
    lines = {path.stem: len(path.read_text("utf-8").split("\n")) - 1 for path in (whole / "data" / "train").iterdir()}
    assert lines.pop(taught) > 600 and set(lines.values()) == {60}
    assert f"New languages: {taught}" in (whole / "report.html").read_text("utf-8")


def test_bits_are_those_of_the_text_and_not_of_its_tokens(whole: Path) -> None:
    store = load_store(whole / "store")
    tokenizer = load_tokenizer(store.tokenizer_path)
    of_thai = [row["input_ids"] for row in store.holdout if store.languages[row["language"]] == "tha_Thai"]
    text = "".join(tokenizer.decode(row, skip_special_tokens=True) for row in of_thai)
    unknown = sum(row.count(tokenizer.unk_token_id) for row in of_thai)
    characters = len(re.sub(r"\s", "", text)) + unknown
    tokens = unknown + sum(index not in tokenizer.all_special_ids for row in of_thai for index in row)
    rows = [row for row in read_results(whole / "results.parquet") if row.task == "holdout" and not row.setting]
    values = {(Path(row.model).name, row.language, row.metric): row.value for row in rows}
    for name in MODELS:
        nats, bits = (values[name, "tha_Thai", metric] for metric in ("mlm_loss", "bits_per_character"))
        assert bits == pytest.approx(nats / np.log(2) * tokens / characters)


def test_both_models_learned_from_the_same_start(whole: Path, tiny_start: Path) -> None:
    loss = {
        Path(row.model).name: row.value
        for row in read_results(whole / "results.parquet")
        if row.metric == "mlm_loss" and row.language == "tha_Thai" and not row.setting
    }
    assert loss["baseline"] < loss[tiny_start.name] and loss["langsamp"] < loss[tiny_start.name]


def test_the_tables_are_what_is_taken_away_and_exchanged(whole: Path, tmp_path: Path) -> None:
    from hf_mplm.cli.quickstart_arguments import QuickstartArguments
    from hf_mplm.cli.quickstart_scores import _held_out_trainer

    args = verb.make_parser().parse(arguments(Path("none"), tmp_path))[0]
    assert isinstance(args, QuickstartArguments)
    store = load_store(whole / "store")
    tables = {
        said: _held_out_trainer(args, str(whole / "langsamp"), store, said, str(tmp_path)).model.language_embeddings
        for said in ("right", "none", "wrong")
    }
    right = tables["right"].weight
    assert not tables["none"].weight.any()
    assert torch.equal(tables["wrong"].weight[1:], right[:-1]) and torch.equal(tables["wrong"].weight[0], right[-1])
    settings = {row.setting for row in read_results(whole / "results.parquet") if row.task == "holdout"}
    assert settings == {"", "none language", "wrong language"}


def test_the_head_and_the_tables_learn_at_a_rate_of_their_own(whole: Path, tiny_start: Path, tmp_path: Path) -> None:
    from hf_mplm.cli.quickstart_models import QuickstartModels

    args = verb.make_parser().parse(arguments(tiny_start, tmp_path, "--head_learning_rate", "0.5"))[0]
    trainer = QuickstartModels(args, str(tiny_start), load_store(whole / "store"))._trainer("langsamp", tmp_path, 4)
    rates = {id(one): group["lr"] for group in trainer.optimizer.param_groups for one in group["params"]}
    found = {name: rates[id(one)] for name, one in trainer.model.named_parameters()}
    head = {name for name, rate in found.items() if rate == 0.5}
    assert {"language_embeddings.weight", "script_embeddings.weight"} < head
    assert all(name.startswith("bert.") for name in set(found) - head)
    # Tied to the decoder, the embeddings are the encoder's.
    assert not any("word_embeddings" in name for name in head)


def test_no_test_sentence_was_seen(whole: Path) -> None:
    corpus = {line for path in (whole / "data" / "corpus").iterdir() for line in path.read_text("utf-8").split("\n")}
    assert not corpus & {row.text for row in sample.iter_sample(LANGUAGES, "test")}
    assert len(corpus) > 2000


@pytest.mark.slow
def test_the_exported_encoder_needs_no_code_of_ours(whole: Path) -> None:
    code = (
        "import sys; from transformers import AutoModel; import torch\n"
        f"model, info = AutoModel.from_pretrained({str(whole / 'encoder')!r}, output_loading_info=True)\n"
        "assert type(model).__name__ == 'BertModel' and not len(info['missing_keys']), info\n"
        "assert not any(name.startswith('hf_mplm') for name in sys.modules if 'editable' not in name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_same_command_again_trains_nothing_and_needs_no_matplotlib(
    whole: Path,
    tiny_start: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    report, model = whole / "report.html", whole / "langsamp" / "model.safetensors"
    before, made = report.read_text("utf-8"), model.stat().st_mtime_ns
    with monkeypatch.context() as without, caplog.at_level(logging.INFO, "hf_mplm"):
        without.setitem(sys.modules, "matplotlib", None)
        assert quickstart(tiny_start, whole) == 0
    assert model.stat().st_mtime_ns == made
    # Each folder is looked at once, and told once.
    found = [line.partition(" is finished already")[0] for line in caplog.messages if "is finished already" in line]
    assert len(found) == len(set(found))
    assert {str(whole / place) for place in (*MODELS, "store", "scores/langsamp", "held_out/baseline")} <= set(found)
    said = capsys.readouterr().out
    assert "| LangSAMP" in said and "| LangSAMP, aligned" in said and "Known languages: eng_Latn" in said
    (warned,) = (message for message in caplog.messages if "hf-mplm[report]" in message)
    assert "no pictures" in warned
    page = report.read_text("utf-8")
    assert "<img" not in page and page.count("<table>") == before.count("<table>")
    report.write_text(before, "utf-8")


@pytest.mark.slow
def test_side_by_side_they_are_the_same_models(whole: Path, tiny_start: Path, tmp_path: Path) -> None:
    # One thread, as in the processes: sums of more threads are rounded otherwise.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert quickstart(tiny_start, tmp_path / "alone") == 0
    finally:
        torch.set_num_threads(threads)
    assert quickstart(tiny_start, tmp_path / "beside", *SMALL, "--num_proc", "2") == 0
    alone, beside = (weights(tmp_path / name) for name in ("alone", "beside"))
    assert all(alone[name] == beside[name] for name in ("baseline", "langsamp"))


@pytest.mark.slow
def test_from_scratch_all_languages_are_taught(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--vocab_size", "900", "--hidden_size", "32", "--num_attention_heads", "2", "--batch_size", "4"]
    command = ["quickstart", "--from_scratch", "--output", str(tmp_path / "out"), "--languages", *LANGUAGES]
    assert main([*command, *size, "--chunk_length", "64", "--num_proc", "1", *SMALL]) == 0
    said = capsys.readouterr().out
    assert "All languages: eng_Latn" in said and "LangSAMP, aligned" not in said
    losses = [
        row.value
        for row in read_results(tmp_path / "out" / "results.parquet")
        if row.metric == "mlm_loss" and Path(row.model).name == "untrained"
    ]
    assert np.mean(losses) == pytest.approx(np.log(900), rel=0.05)


# ---- What is refused ----


def test_other_arguments_in_the_same_folder_are_refused(
    whole: Path, tiny_start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quickstart(tiny_start, whole, *SMALL, "--seed", "3") == 2
    error = capsys.readouterr().err
    assert "seed" in error and "--overwrite" in error


def test_a_slow_machine_makes_the_fewest_steps_and_says_that_it_takes_longer(
    whole: Path,
    tiny_start: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hf_mplm.cli.quickstart_job.FEWEST_STEPS", 2)
    # Interrupted before it knew how many steps there are, so that what comes before need not be done again.
    output = Path(shutil.copytree(whole, tmp_path / "out"))
    measured = [path for folder in ("scores", "held_out") for path in (output / folder).iterdir()]
    for path in [*(output / name for name in (*MODELS, "encoder")), *(one for one in measured if one.name != "start")]:
        shutil.rmtree(path)
    state = json.loads((output / "quickstart.json").read_text())
    del state["max_steps"]
    state["arguments"]["max_steps"] = 0
    (output / "quickstart.json").write_text(json.dumps(state))

    def trained(_job: object, _start: str, steps: int) -> None:
        raise ValueError(f"{steps} steps would be made")

    monkeypatch.setattr("hf_mplm.cli.quickstart_job.QuickstartJob._train", trained)
    assert quickstart(tiny_start, output, "--minutes", "0.01") == 2
    assert "--minutes 0.01 leaves time for 0 steps" in caplog.text and "minutes longer" in caplog.text
    assert "2 steps would be made" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--languages", "rus_Cyrl"], "eng_Latn"),
        (["--from_scratch", "--languages", "eng_Latn", "xyz_Latn", "--max_steps", "1"], "does not hold"),
        (["--minutes", "0"], "--minutes"),
        (["--num_new", "0"], "--num_new"),
        (["--languages", "eng_Latn", "tha_Thai"], "cut to the subwords of .* asks for tha_Thai"),
        (["--model", "somewhere", "--from_scratch"], "two starts"),
    ],
)
def test_what_cannot_work_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    assert main(["quickstart", "--output", str(tmp_path / "out"), *given]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said), said


def test_a_folder_of_something_else_is_left_alone(
    tiny_start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert quickstart(tiny_start, tmp_path, "--overwrite", "--max_steps", "1") == 2
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine"


# ---- Faults ----


def attempt(start: Path, whole: Path, output: Path, fault: str, places: list[float]) -> None:
    changes = int(whole.with_name("changes").read_text())
    for place in places:
        told, _ = in_child(partial(run_raising, start, output), output, int(place * changes), fault)
        if fault == "kill":
            assert told in ("killed", "finished"), told
        else:
            assert told == "finished" or "no space left to write in" in told, told
    assert quickstart(start, output) == 0
    assert weights(output) == weights(whole) and scores(output) == scores(whole)
    assert "## Results" in (output / "langsamp" / "README.md").read_text(encoding="utf-8")
    assert not [path for path in output.rglob("*") if path.name.endswith((".making", ".unfinished", ".training"))]
    assert main(["check", str(output)]) == 0


@needs_fork
@pytest.mark.parametrize("fault", ["kill", pytest.param("full disk", marks=pytest.mark.slow)])
def test_met_at_drawn_moments(tiny_start: Path, whole: Path, tmp_path: Path, fault: str) -> None:
    draw = random.Random(fault)
    attempt(
        tiny_start, whole, tmp_path / "out", fault, sorted(draw.random() for _ in range(1 if fault == "kill" else 2))
    )


@pytest.mark.slow
@needs_fork
@pytest.mark.parametrize("fault", ["kill", "full disk"])
@pytest.mark.parametrize("part", range(10))
def test_met_at_every_moment(tiny_start: Path, whole: Path, tmp_path: Path, fault: str, part: int) -> None:
    attempt(tiny_start, whole, tmp_path / "out", fault, [part / 10 + step / 60 for step in range(1, 6)])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "state: null": lambda out: (out / "quickstart.json").write_text("null"),
    "state: cut": lambda out: cut(out / "quickstart.json"),
    "state: {}": lambda out: (out / "quickstart.json").write_text("{}"),
    "state: steps": lambda out: (out / "quickstart.json").write_text('{"arguments": {}, "max_steps": "many"}'),
    "pairs flipped": lambda out: flip_bit(next((out / "pairs" / "train").glob("*.arrow")), 4321),
    "store flipped": lambda out: flip_bit(next((out / "store" / "train").glob("*.arrow")), 4321),
    "aligned cut": lambda out: cut(out / "aligned" / "model.safetensors"),
    "model flipped": lambda out: flip_bit(out / "langsamp" / "model.safetensors", 54321),
    "mark gone": lambda out: (out / "baseline" / "made_of.json").unlink(),
    "config gone": lambda out: (out / "langsamp" / "config.json").unlink(),
    "digests gone": lambda out: (out / "encoder" / "digests.json").write_text("[]"),
    "scores flipped": lambda out: flip_bit(out / "scores" / "langsamp" / "results.parquet", 99),
    "losses flipped": lambda out: flip_bit(out / "held_out" / "langsamp-none" / "results.parquet", 99),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_in_one_line_and_mended(
    damage: str, tiny_start: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Path(shutil.copytree(whole, tmp_path / "out"))
    DAMAGE[damage](output)
    assert quickstart(tiny_start, output) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--overwrite" in said and ("damaged: " in said or "other values of" in said), said


def test_overwriting_mends_what_is_damaged(tiny_start: Path, whole: Path, tmp_path: Path) -> None:
    output = Path(shutil.copytree(whole, tmp_path / "out"))
    DAMAGE["aligned cut"](output)
    before = (output / "langsamp" / "model.safetensors").stat().st_mtime_ns
    assert quickstart(tiny_start, output, *SMALL, "--overwrite") == 0
    assert weights(output) == weights(whole)
    assert (output / "langsamp" / "model.safetensors").stat().st_mtime_ns == before, "what is whole stays"


def test_a_model_begun_after_a_break_is_the_one_of_an_undisturbed_run(
    tiny_start: Path, whole: Path, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(whole, tmp_path / "out"))
    for name in ("langsamp", "scores/langsamp"):
        shutil.rmtree(output / name)
    # Its tables are random, and this process has trained no baseline before it draws them.
    assert quickstart(tiny_start, output) == 0
    assert weights(output) == weights(whole) and scores(output) == scores(whole)


def test_the_second_is_told_who_the_first_is(
    tiny_start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hf_mplm.cli.quickstart_job import QuickstartJob

    output, told = tmp_path / "out", []

    def meanwhile(self: QuickstartJob, rows: object) -> None:
        told.append(quickstart(tiny_start, output))
        raise ValueError("enough")

    monkeypatch.setattr(QuickstartJob, "_choose_text", meanwhile)
    assert quickstart(tiny_start, output) == 2 and told == [2]
    assert "is in use: hf-mplm quickstart writes there at this moment (host " in capsys.readouterr().err
