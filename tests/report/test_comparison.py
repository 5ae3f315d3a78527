from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from scipy import stats

from hf_mplm.cli.compare import run
from hf_mplm.evaluation.results import make_row, write_results
from hf_mplm.report.compare import bootstrap_interval, compare_runs, paired_p_value, split_by_model
from hf_mplm.report.comparison import html_report, latex_table, markdown_report, overview


LANGUAGES = {"swh_Latn": 0.5, "tha_Thai": 0.4, "wol_Latn": 0.2, "bod_Tibt": 0.1, "tur_Latn": 0.6}


def rows(model, shift=0.0, seeds=(1, 2), languages=LANGUAGES, **kwargs):
    return [
        make_row(
            task="sib200",
            language=language,
            metric="macro_f1",
            value=value + shift + 0.01 * seed,
            n=204,
            model=model,
            source_language="eng_Latn",
            setting="zero-shot",
            seed=seed,
            **kwargs,
        )
        for language, value in languages.items()
        for seed in seeds
    ]


def test_groups_are_means_over_languages_of_means_over_seeds():
    (comparison,) = compare_runs([rows("a"), rows("b", 0.1, seeds=(1, 2, 3))])
    scores = {score.group: score for score in comparison.groups}
    assert scores["all"].means[0] == pytest.approx(np.mean(list(LANGUAGES.values())) + 0.015)
    assert scores["tail"].means[0] == pytest.approx((0.2 + 0.1) / 2 + 0.015)
    assert scores["head"].languages == ("swh_Latn", "tha_Thai", "tur_Latn")
    assert scores["non-Latn"].means[1] == pytest.approx((0.4 + 0.1) / 2 + 0.1 + 0.02)
    assert scores["all"].differences[0][0] == pytest.approx(0.105)
    assert comparison.n_seeds == (2, 3)
    assert set(scores) >= {"head", "tail", "Latn", "non-Latn", "all", "atla1278", "turk1311"}


def test_only_languages_that_every_run_has_are_compared():
    fewer = {code: value for code, value in LANGUAGES.items() if code != "tur_Latn"}
    (comparison,) = compare_runs([rows("a"), rows("b", languages=fewer)])
    assert set(comparison.languages) == set(fewer) and comparison.n_dropped == 1
    assert {score.group: score for score in comparison.groups}["all"].means[0] == pytest.approx(0.315)


def test_the_source_language_does_not_enter_the_means():
    with_source = {**LANGUAGES, "eng_Latn": 0.99}
    (comparison,) = compare_runs([rows("a", languages=with_source), rows("b", languages=with_source)])
    assert "eng_Latn" not in comparison.languages


def test_the_interval_resamples_languages():
    values = np.random.default_rng(0).normal(0.5, 0.2, size=40)
    low, high = bootstrap_interval(values)
    means = np.random.default_rng(1).choice(values, (10_000, 40)).mean(axis=1)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.005)
    assert bootstrap_interval([0.3]) == (0.3, 0.3)
    assert bootstrap_interval([0.3, 0.3]) == (0.3, 0.3)
    assert bootstrap_interval(values) == (low, high)


def test_the_p_value_equals_scipys():
    generator = np.random.default_rng(0)
    for size, error in ((4, 1e-12), (9, 1e-12), (13, 1e-12), (25, 0.02), (100, 0.02)):
        values = generator.normal(0.1, 1, size=size)
        expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=0)
        assert paired_p_value(values) == pytest.approx(expected.pvalue, abs=error)


def test_the_p_value_counts_sums_that_only_rounding_tells_apart():
    generator = np.random.default_rng(0)
    missed = 0
    for _ in range(60):
        # Accuracies over 204 sentences: sums of these differences are often equal, but not as floating-point numbers.
        gains = generator.integers(-8, 9, size=8)
        first = generator.integers(50, 150, size=8)
        sums = np.array(list(itertools.product([1, -1], repeat=8))) @ gains
        exact = (np.abs(sums) >= abs(gains.sum())).mean()
        differences = (first + gains) / 204 - first / 204
        assert paired_p_value(differences) == exact
        theirs = stats.permutation_test((differences,), np.mean, permutation_type="samples")
        missed += abs(theirs.pvalue - exact) > 1e-9
    assert missed > 0  # why the test is not scipy's
    assert paired_p_value([0.0, 0.0]) == 1.0
    assert paired_p_value([0.2]) == 1.0
    assert 0 < paired_p_value(np.ones(30)) < 1e-3


def test_runs_without_anything_in_common_are_refused():
    other = [row.__class__(**{**row.__dict__, "setting": "probe"}) for row in rows("b")]
    with pytest.raises(ValueError, match="no measurement in common"):
        compare_runs([rows("a"), other])
    with pytest.raises(ValueError, match="one holds a .*b"):
        compare_runs([rows("a") + rows("b")])
    assert [name for name, _ in split_by_model(rows("out/a") + rows("out/b"), "run")] == ["a", "b"]


def test_tables_in_three_formats():
    comparisons = compare_runs([rows("a"), rows("b_c", 0.1)])
    markdown = markdown_report(comparisons, ["a", "b_c"])
    assert re.search(r"\| tail +\| +2 \| +0\.165 \|", markdown)
    assert "+0.100" in markdown and "Turkic" in markdown
    latex = latex_table(comparisons, ["a", "b_c"])
    assert r"b\_c" in latex and r"\textbf{0.475}" in latex and r"\textbf{0.375}" not in latex
    page = html_report(comparisons, ["a", "b_c"])
    assert page.count("<svg") + page.count("data:image/svg+xml") >= 3
    assert not re.search(r"(src|href)=\"https?:", page)


def test_the_overview_has_one_line_a_measurement():
    header, lines = overview(compare_runs([rows("a"), rows("b", 0.1)]), ["a", "b"])
    assert header == ["measurement (fraction)", "languages", "a", "b", "b - a", "p"]
    # All five differences are positive: 2 of the 32 assignments of signs reach their sum.
    assert lines == [["sib200 macro_f1", 5, pytest.approx(0.375), pytest.approx(0.475), "+0.100", 0.0625]]
    alone = [rows(model, languages={"eng_Latn": 0.5}) for model in ("a", "b")]
    _, ((_, count, *_, p_value),) = overview(compare_runs(alone), ["a", "b"])
    assert (count, p_value) == ("source", None)
    two = [rows(model, layer=8) + rows(model, layer=12) for model in ("a", "b")]
    labels = [line[0] for line in overview(compare_runs(two), ["a", "b"])[1]]
    assert labels == ["sib200 macro_f1, layer 8", "sib200 macro_f1, layer 12"]
    assert "1 language;" in markdown_report(compare_runs(alone), ["a", "b"])


def test_a_difference_that_rounds_to_nothing_has_no_minus():
    report = markdown_report(compare_runs([rows("a"), rows("b", -1e-6)]), ["a", "b"])
    assert "+0.000" in report and "-0.000" not in report


def test_the_verb_writes_the_page(tmp_path, capsys):
    write_results(tmp_path / "a", rows("m/a"))
    write_results(tmp_path / "b", rows("m/b", -0.1))
    assert run([str(tmp_path / "a"), str(tmp_path / "b"), "--output", str(tmp_path / "out")]) == 0
    assert "sib200 macro_f1" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "comparison.md",
        "comparison.tex",
        "comparison.html",
    }
    with pytest.raises(ValueError, match="--names has 1 names for 2 models"):
        run([str(tmp_path / "a"), str(tmp_path / "b"), "--names", "one"])


HOSTILE = r"$\frac{$ | <script>alert(1)</script> `x` & 100% #1 ~^ \input{x} _y"


def test_names_are_escaped_in_every_format(tmp_path, capsys):
    for folder in ("a", "b"):
        write_results(tmp_path / folder, rows(f"m/{folder}"))
    names = ["--names", HOSTILE.replace(",", ""), "$x$"]
    assert run([str(tmp_path / "a"), str(tmp_path / "b"), "--output", str(tmp_path / "out"), *names]) == 0
    text = {path.suffix: path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir()}
    assert "<script>" not in text[".md"] and "<script>" not in text[".html"]
    tables = [line for line in text[".md"].split("\n") if line.startswith("| group")]
    assert tables and all(len(re.findall(r"(?<!\\)\|", line)) == 10 for line in tables)
    assert r"\input{" not in text[".tex"] and r"\$x\$" in text[".tex"] and r"\textbackslash{}input\{" in text[".tex"]


def test_without_matplotlib_the_tables_are_written(tmp_path, monkeypatch, caplog):
    import sys

    from hf_mplm.report.comparison import write_comparison

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_comparison(tmp_path, compare_runs([rows("a"), rows("b", 0.1)]), ["a", "b"])
    assert "hf-mplm[report]" in caplog.text
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "<table>" in page and "<img" not in page


def test_a_comparison_of_few_languages_says_so_beside_its_heat_map():
    few = dict(list(LANGUAGES.items())[:2])
    enough = {**LANGUAGES, "zul_Latn": 0.3}
    told = "Too few languages to tell"
    for languages, is_told in ((few, True), (LANGUAGES, True), (enough, False)):
        comparisons = compare_runs([rows("a", languages=languages), rows("b", 0.3, languages=languages)])
        page, text = html_report(comparisons, ["a", "b"]), markdown_report(comparisons, ["a", "b"])
        captions = re.findall(r"<figcaption>(.*?)</figcaption>", page, re.DOTALL)
        assert (told in page) == (told in text) == is_told
        assert any("Blue is higher" in caption and told in caption for caption in captions) == is_told
        # What the sentence says: the same difference everywhere is as far from chance as it goes.
        (score,) = [score for score in comparisons[0].groups if score.group == "all"]
        assert (score.p_values[0] >= 0.05) == is_told


def test_one_run_alone_is_compared_with_nothing():
    assert "Too few" not in markdown_report(compare_runs([rows("a")]), ["a"])
