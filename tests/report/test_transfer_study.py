from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from hf_mplm.report import plots, transfer_plots
from hf_mplm.report.transfer_plots import clustered_order
from hf_mplm.report.transfer_study import _extreme_targets, write_report
from hf_mplm.report.transfer_tables import latex, study_tables, tidy_tables
from hf_mplm.transfer.findings.features import pair_features
from hf_mplm.transfer.findings.prediction import Prediction, predict
from hf_mplm.transfer.findings.table import Scores
from hf_mplm.transfer.findings.transfer import transfer_table
from tests.report.browser import run_in_browser
from tests.transfer.test_findings import base, row, tuned


DONORS = ["deu_Latn", "fin_Latn", "hin_Deva", "yor_Latn"]
TARGETS = [*DONORS, "nld_Latn", "rus_Cyrl", "arb_Arab"]


@pytest.fixture(scope="module")
def scores() -> Scores:
    rows: list[Any] = []
    for task in ("ner", "pos"):
        rows += [base(target, 0.0 if target == "arb_Arab" else 0.5, task=task) for target in TARGETS]
        for one, donor in enumerate(DONORS):
            for two, target in enumerate(TARGETS):
                for step in (1, 100):
                    value = 0.4 + 0.03 * ((one * two + step) % 7) + (0.01 if task == "ner" else 0)
                    rows += tuned(donor, target, value, value + 0.02, step=step, task=task)
    rows += tuned("deu_Latn", "tam_Taml", 0.4, task="pos")
    rows += [row("combination", (code,), code, 0.5) for code in DONORS]
    for one, two in (DONORS[:2], DONORS[1:3], DONORS[2:]):
        rows += [row("combination", (one, two), code, 0.6, fusion="trained") for code in (one, two)]
    return Scores.from_rows(rows)


@pytest.fixture(scope="module")
def prediction(scores: Scores) -> Prediction:
    features = {(one, two): pair_features(one, two) for one in DONORS for two in TARGETS}
    return predict(transfer_table(scores), features)


@pytest.fixture(scope="module")
def folder(scores: Scores, prediction: Prediction, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "report"
    paths = write_report(scores, folder, seen="deu_Latn,fin_Latn", prediction=prediction, failed=3)
    assert sorted(path.name for path in paths) == sorted(path.name for path in folder.iterdir())
    return folder


def test_the_report_has_every_table_and_picture(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    page = (folder / "report.html").read_text(encoding="utf-8")
    text = (folder / "report.md").read_text(encoding="utf-8")
    for title in (
        "Scores of languages themselves",
        "Targets that gain",
        "Transfer languages: pos after 100 steps",
        "Targets: ner after 1 step",
        "Types of variance",
        "Universal recipients",
        "Largest recipients",
        "Agreement of tasks",
        "Common donors",
        "Seen and unseen languages",
        "Interference",
        "What predictions are worth",
    ):
        assert f"<h2>{title}</h2>" in page and f"## {title}\n" in text, title
    assert "3 cells failed" in page and "arb_Arab (ner), arb_Arab (pos)" in page
    assert "No baseline, so that no change can be told: tam_Taml (pos)" in page
    # For each task a curve, for each of its two steps a heat map, violins and a map; for each step what tasks have in
    # common; and one plane of interference.
    assert page.count("data:image/svg+xml;base64,") == 2 * (1 + 2 * 3) + 2 + 1
    assert "http://" not in page and "https://" not in page


def test_tables_hold_the_same_numbers_as_the_functions(scores: Scores, folder: Path) -> None:
    assert pq.read_table(folder / "transfer.parquet").to_pylist() == transfer_table(scores)
    with open(folder / "transfer_ranking.csv", encoding="utf-8", newline="") as file:
        found = [
            [row["language"], *(float(row[name]) if row[name] else None for name in ("ts", "low"))]
            for row in csv.DictReader(file)
        ]
    assert found == [[row["language"], row["ts"], row["low"]] for row in tidy_tables(scores)["transfer_ranking"]]


def test_without_matplotlib_there_are_tables_alone_and_one_line_says_so(
    scores: Scores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plots, "missing", lambda: "matplotlib is needed here")
    with caplog.at_level(logging.WARNING):
        write_report(scores, tmp_path)
    assert [record.getMessage() for record in caplog.records].count(
        "report.html has the tables and no pictures: matplotlib is needed here"
    ) == 1
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "There are no pictures: matplotlib is needed here" in page and "base64" not in page
    assert "Transfer languages: pos after 100 steps" in page
    # Nothing was seen nor predicted here.
    assert not (tmp_path / "seen_means.csv").exists() and not (tmp_path / "predictions.csv").exists()


@pytest.mark.slow
def test_the_same_scores_give_the_same_files(
    scores: Scores, prediction: Prediction, folder: Path, tmp_path: Path
) -> None:
    write_report(scores, tmp_path, seen=["deu_Latn", "fin_Latn"], prediction=prediction, failed=3)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_a_study_without_scores_has_a_report(tmp_path: Path) -> None:
    write_report(Scores.from_rows([]), tmp_path, failed=5)
    assert "5 cells failed" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_latex_escapes_names(scores: Scores) -> None:
    text = latex(study_tables(tidy_tables(scores))[0])
    assert r"deu\_Latn" in text and text.count(r"\toprule") == 1


def test_curves_name_who_gains_and_loses_the_most(scores: Scores) -> None:
    pytest.importorskip("matplotlib")
    found = _extreme_targets([row for row in transfer_table(scores) if row["task"] == "pos"])
    own = {
        row["target"]: row["ts"]
        for row in transfer_table(scores)
        if (row["task"], row["step"], row["transfer_language"]) == ("pos", 1, "hin_Deva") and row["ts"] is not None
    }
    said = found["hin_Deva"][1]
    assert said.gains == sum(value > 0 for value in own.values())
    assert said.losses == sum(value < 0 for value in own.values())
    assert min(own[code] for code in said.best) >= max(own[code] for code in own.keys() - said.best)
    assert max(own[code] for code in said.worst) <= min(own[code] for code in own.keys() - said.worst)
    assert not set(said.best) & set(said.worst)
    curves = {"hin_Deva": ([1, 100], [0.0, 0.1], [0.1, 0.1])}
    drawn = transfer_plots.step_curves(curves, ylabel="transfer score", extremes=found).decode()
    assert f"<!-- {said.gains} gain -->" in drawn and f"<!-- {said.worst[-1]} -->" in drawn
    assert " gain -->" not in transfer_plots.step_curves(curves, ylabel="transfer score").decode()


def test_all_pictures_of_the_page_open_in_a_browser(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    script = """
    const images = [...document.images];
    Promise.all(images.map((one) => one.decode().then(() => true, () => false))).then((decoded) => ({
      decoded, alt: images.filter((one) => one.alt).length, widths: images.map((one) => one.naturalWidth),
      wider: document.documentElement.scrollWidth > document.documentElement.clientWidth,
      tables: document.querySelectorAll("table").length, requests: performance.getEntriesByType("resource")
        .filter((one) => !one.name.startsWith("data:")).length,
    })).then(done);
    """
    found = run_in_browser((folder / "report.html").read_text(encoding="utf-8"), script, tmp_path)
    assert found["errors"] == [] and found["requests"] == 0 and not found["wider"]
    assert len(found["decoded"]) == found["alt"] == 17 and all(found["decoded"]) and min(found["widths"]) > 100
    assert found["tables"] > 10


def test_rows_that_are_alike_stand_together() -> None:
    order = clustered_order(np.array([[0.0, 0.0], [5.0, 5.0], [0.1, 0.0], [5.1, 5.0]]))
    places = [order.index(row) for row in range(4)]
    assert abs(places[0] - places[2]) == abs(places[1] - places[3]) == 1
