from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from hf_mplm.report import plots
from hf_mplm.report.page import Page
from hf_mplm.report.table import markdown_table


def test_what_users_wrote_is_escaped() -> None:
    page = Page("<b>").paragraph("a < `b & c`").table(["<i>"], [["</td>"]]).code("<script>")
    html = page.html()
    assert "<script>" not in html and "<i>" not in html and "<b>" not in html
    assert "a &lt; <code>b &amp; c</code>" in html


def test_the_best_number_of_each_column_is_bold() -> None:
    html = Page("t").table(["run", "f1"], [["a", 0.25], ["b", 0.5], ["c", None]], best="max").html()
    assert '<td class="best">0.500</td>' in html and "<td>0.250</td>" in html and "<td>–</td>" in html
    html = Page("t").table(["run", "loss"], [["a", 0.25], ["b", 0.5]], best="min").html()
    assert '<td class="best">0.250</td>' in html


def test_the_page_needs_no_other_file(tmp_path: Path) -> None:
    picture = plots.bars({"a": {"eng_Latn": 0.5}}, ylabel="f1")
    written = Page("t").figure(picture, "a bar").write(tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:)', written) and "url(" not in written


def test_markdown_columns_line_up() -> None:
    lines = markdown_table(["run", "f1"], [["a", 0.5], ["longer", None]]).split("\n")
    assert len({len(line) for line in lines}) == 1
    assert lines[2] == "| a      | 0.500 |"


def test_principal_components_are_those_of_the_covariance() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 6)) @ np.diag([5.0, 3.0, 1.0, 0.5, 0.2, 0.1])
    points, share = plots.principal_components(vectors)
    values = np.sort(np.linalg.eigvalsh(np.cov(vectors.T)))[::-1]
    assert np.allclose(points.var(axis=0, ddof=1), values[:2])
    assert np.allclose(share, values[:2] / values.sum())


def test_two_languages_still_make_a_map() -> None:
    assert plots.language_map(np.eye(2, 4), ["eng_Latn", "tha_Thai"], ["a", "b"]).startswith(b"<?xml")
    assert plots.language_map(np.ones((1, 4)), ["eng_Latn"], ["a"], file_format="png").startswith(b"\x89PNG")
    spaces = {"before": np.eye(4, 3), "after": np.ones((4, 3))}
    words, codes = ["war", "sea"] * 2, ["eng_Latn", "eng_Latn", "tha_Thai", "tha_Thai"]
    assert plots.word_space(spaces, words, codes).startswith(b"<?xml")
    assert plots.word_space(spaces, words, codes) == plots.word_space(spaces, words, codes)
    assert plots.word_space(spaces, words, codes, file_format="png").startswith(b"\x89PNG")


def test_the_same_numbers_give_the_same_picture() -> None:
    matrix = np.array([[0.1, np.nan], [0.3, 0.4]])
    first, second = (plots.heat_map(matrix, ["a", "b"], ["c", "d"], label="cosine") for _ in range(2))
    assert first == second
    assert plots.curves({"a": ([1, 2], [3, 4])}, xlabel="step", ylabel="loss") != first


def test_differences_are_drawn_around_their_centre() -> None:
    matrix = np.array([[0.5, np.nan], [0.0, -0.001]])
    picture = plots.heat_map(matrix, ["a\nb", "c"], ["d", "e"], label="points", centre=0.0, file_format="png")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture != plots.heat_map(matrix, ["a\nb", "c"], ["d", "e"], label="points", file_format="png")
    empty = np.full((1, 1), np.nan)
    assert plots.heat_map(empty, ["a"], ["b"], label="points", centre=0.0).startswith(b"<?xml")
