from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hf_mplm.cli.main import main
from hf_mplm.jobs.digests import find_damage
from hf_mplm.sprachbund.linguistics.paper_tables import paper_clusters
from tests.sprachbund.test_analysis import vectors_of


CODES = sorted(paper_clusters())[:40]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analyse") / "vectors"
    generator = np.random.default_rng(0)
    views = {view: generator.normal(size=(len(CODES), 8)) for view in ("layer4-mean", "characters")}
    views["layer0-cls"] = np.ones((len(CODES), 8))
    vectors_of(views, CODES).save(folder)
    return folder


FEW = ["--permutations", "19", "--label_permutations", "19"]


def test_table_markdown_and_page(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clusters = tmp_path / "mine.json"
    clusters.write_text(json.dumps({"a": CODES[:20], "b": CODES[20:]}), encoding="utf-8")
    output = tmp_path / "out"
    words = [str(folder), "--clusters", str(clusters), "--against", "table1", "--output", str(output), *FEW]
    assert main(["sprachbund", "analyse", *words]) == 0
    said = capsys.readouterr()
    table = pq.read_table(output / "analysis.parquet")
    rows = table.to_pylist()
    assert {row["measure"] for row in rows} == {"nearest neighbour", "mantel", "clusters", "lexical similarity"}
    assert {row["view"] for row in rows} == {"layer4-mean", "characters", str(clusters)}
    against = [row for row in rows if row["of"] == "table1" and row["statistic"] == "ari"]
    assert len(against) == 1 and against[0]["n_languages"] == 40 and against[0]["n_lacking"] == 0
    own = json.loads(table.schema.metadata[b"hf_mplm"])
    assert own["settings"]["permutations"] == 19 and list(own["left_out"]) == ["layer0-cls"]
    markdown = (output / "analysis.md").read_text(encoding="utf-8")
    assert "layer0-cls is left out" in markdown and "| chance" in markdown and markdown.strip() in said.out
    page = (output / "analysis.html").read_text(encoding="utf-8")
    assert "Nearest neighbour: family" in page and not re.search(r'(?:src|href)="(?!data:)', page)
    # Every number of the page stands in the table.
    family = next(
        row
        for row in rows
        if (row["view"], row["of"], row["among"], row["centred"]) == ("characters", "family", "all", True)
    )
    assert f"<td>{family['value']:.3f} ({family['low']:.3f} to {family['high']:.3f})</td>" in page
    assert find_damage(output) == []


@pytest.mark.slow
def test_the_same_command_writes_the_same_table(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert main(["sprachbund", "analyse", str(folder), "--output", str(tmp_path / name), *FEW]) == 0
    tables = [(tmp_path / name / "analysis.parquet").read_bytes() for name in ("one", "two")]
    assert tables[0] == tables[1]


def test_by_default_the_analysis_stands_in_the_folder_and_leaves_it_whole(folder: Path) -> None:
    assert main(["sprachbund", "analyse", str(folder), *FEW]) == 0
    assert (folder / "analysis" / "analysis.html").is_file() and find_damage(folder) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "DIR"),
        (["nowhere"], "nowhere holds neither vectors nor clusters"),
        (["FOLDER", "--views", "layer9-mean"], "there is no view 'layer9-mean'; there are"),
        (["FOLDER", "--views", "layer0-cls"], "the same for all 40 languages"),
        (["FOLDER", "--depth", "0"], "depth"),
        (["FOLDER", "--permutations", "0"], "must be 1 or more"),
        (["FOLDER", "--against", "nowhere.json"], "there is no file nowhere.json"),
        (["FOLDER", "--map_view", "layer9-mean"], "there is no view 'layer9-mean'"),
    ],
)
def test_bad_input_is_told_in_one_line(
    folder: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(folder) if word == "FOLDER" else word for word in words]
    try:
        assert main(["sprachbund", "analyse", *words, *(FEW if "--permutations" not in words else [])]) == 2
    except SystemExit as stopped:
        assert stopped.code == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert said in error[-1]
