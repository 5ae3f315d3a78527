from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hf_mplm import sample
from hf_mplm.cli.main import main
from hf_mplm.data.store.token_store import load_store
from hf_mplm.evaluation.results import read_results


LANGUAGES = ["eng_Latn", "rus_Cyrl", "tha_Thai"]


def quickstart(output: Path, *more: str) -> int:
    return main(
        ["quickstart", "--output", str(output), "--languages", *LANGUAGES, "--vocab_size", "900"]
        + ["--hidden_size", "32", "--num_hidden_layers", "2", "--num_attention_heads", "2"]
        + ["--batch_size", "4", "--chunk_length", "64", *more]
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("quickstart") / "out"
    assert quickstart(output, "--max_steps", "6") == 0
    return output


def test_everything_that_is_promised_lies_there(finished: Path) -> None:
    for name in ("baseline", "langsamp", "encoder"):
        assert (finished / name / "model.safetensors").is_file()
    for name in ("baseline", "langsamp"):
        assert "## Results" in (finished / name / "README.md").read_text(encoding="utf-8")
    assert load_store(finished / "store").languages == sorted(LANGUAGES)
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 4 and "CC-BY-SA" in page
    assert not list(finished.glob("*/checkpoint-*"))


def test_the_table_has_every_model_task_and_language(finished: Path) -> None:
    rows = read_results(finished / "results.parquet")
    assert {Path(row.model).name for row in rows} == {"untrained", "baseline", "langsamp"}
    for task, metric, languages in (
        ("holdout", "mlm_loss", LANGUAGES),
        ("flores", "accuracy@10", LANGUAGES[1:]),
        ("sib200", "macro_f1", LANGUAGES[1:]),
    ):
        found = {row.language for row in rows if (row.task, row.metric) == (task, metric)}
        assert found >= set(languages), (task, metric)


def test_both_models_learned_from_the_same_start(finished: Path) -> None:
    loss = {
        Path(row.model).name: row.value
        for row in read_results(finished / "results.parquet")
        if row.metric == "mlm_loss" and row.language == "tha_Thai"
    }
    assert loss["baseline"] < loss["untrained"] and loss["langsamp"] < loss["untrained"]
    assert loss["untrained"] == pytest.approx(np.log(900), rel=0.05)


def test_no_test_sentence_was_seen(finished: Path) -> None:
    corpus = {
        line for path in (finished / "data" / "corpus").iterdir() for line in path.read_text("utf-8").split("\n")
    }
    assert not corpus & {row.text for row in sample.iter_sample(LANGUAGES, "test")}
    assert len(corpus) > 2000


def test_the_exported_encoder_needs_no_code_of_ours(finished: Path) -> None:
    code = (
        "import sys; from transformers import AutoModel; import torch\n"
        f"model, info = AutoModel.from_pretrained({str(finished / 'encoder')!r}, output_loading_info=True)\n"
        "assert type(model).__name__ == 'XLMRobertaModel' and not len(info['missing_keys']), info\n"
        "assert not any(name.startswith('hf_mplm') for name in sys.modules if 'editable' not in name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_same_command_again_trains_nothing(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (finished / "langsamp" / "model.safetensors").stat().st_mtime_ns
    assert quickstart(finished, "--max_steps", "6") == 0
    assert (finished / "langsamp" / "model.safetensors").stat().st_mtime_ns == before
    assert "| langsamp" in capsys.readouterr().out


def test_without_matplotlib_the_report_has_its_tables(
    finished: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    report = finished / "report.html"
    before = report.read_text("utf-8")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "matplotlib", None)
        assert quickstart(finished, "--max_steps", "6") == 0
    (said,) = (message for message in caplog.messages if "hf-mplm[report]" in message)
    assert "no pictures" in said
    page = report.read_text("utf-8")
    assert "<img" not in page and page.count("<table>") == before.count("<table>")
    report.write_text(before, "utf-8")


def test_other_arguments_in_the_same_folder_are_refused(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quickstart(finished, "--max_steps", "6", "--seed", "3") == 2
    error = capsys.readouterr().err
    assert "seed" in error and "--overwrite" in error


def test_too_little_time_is_said_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quickstart(tmp_path / "out", "--minutes", "0.01") == 2
    assert "--minutes 0.01" in capsys.readouterr().err
    assert not (tmp_path / "out" / "baseline").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--languages", "rus_Cyrl"], "eng_Latn"),
        (["--languages", "eng_Latn", "xyz_Latn", "--max_steps", "1"], "does not hold"),
        (["--minutes", "0"], "--minutes"),
    ],
)
def test_what_cannot_work_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["quickstart", "--output", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert quickstart(tmp_path, "--overwrite", "--max_steps", "1") == 2
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine"
