"""An analysis on paper: what is there, what is missing, and names that are no markup."""

from __future__ import annotations

from typing import Any

from hf_mplm.report.sprachbund_analysis import analysis_markdown, analysis_page
from hf_mplm.sprachbund.linguistics.findings import Analysis, Finding


CODES = ["eng_Latn", "deu_Latn", "fin_Latn"]


def finding(lacking: list[str] | None = None, **values: Any) -> Finding:
    usual = {
        "view": "layer4-mean",
        "centred": True,
        "measure": "nearest neighbour",
        "of": "family",
        "among": "all",
        "statistic": "share",
        "value": 0.5,
        "baseline": 0.25,
        "low": 0.125,
        "high": 0.875,
    }
    return Finding.over(CODES, lacking or [], **{**usual, **values})


def test_numbers_stand_beside_their_controls() -> None:
    mantel = {"measure": "mantel", "of": "genealogy", "p": 0.001, "permutations": 999}
    analysis = Analysis(
        [
            finding(),
            finding(among="another script", value=float("nan"), lacking=CODES),
            finding(view="characters", value=0.75),
            finding(**mantel, statistic="spearman", value=0.3),
            finding(**mantel, statistic="partial spearman", among="script", value=0.1),
        ],
        settings={"depth": 3, "permutations": 999, "seed": 0},
    )
    for text in (analysis_markdown(analysis, "toy"), analysis_page(analysis, "toy").html()):
        for number in ("0.500 (0.125 to 0.875)", "0.750", "0.250", "0.300 (p 0.001)", "0.100 (p 0.001)", "–"):
            assert number in text, number
        assert "Partial correlations" in text and "permutations of languages, seed 0" in text
    rows = [line.split("|") for line in analysis_markdown(analysis, "toy").splitlines() if line.startswith("|")]
    chance = next(row for row in rows if row[1].strip() == "chance")
    languages = next(row for row in rows if row[1].strip() == "languages")
    assert [cell.strip() for cell in chance[2:4]] == ["0.250", "0.250"]
    assert [cell.strip() for cell in languages[2:4]] == ["3", "0"]


def test_what_was_left_out_and_who_lacks_data_is_said() -> None:
    analysis = Analysis([finding(lacking=["fin_Latn"])], left_out={"layer0-cls": "it is one vector"})
    for text in (analysis_markdown(analysis, "toy"), analysis_page(analysis, "toy").html()):
        assert "layer0-cls is left out: it is one vector" in text
        assert "Languages without data" in text and "fin_Latn" in text
    assert "Languages without data" not in analysis_markdown(Analysis([finding()]), "toy")


def test_names_of_foreign_files_stay_text() -> None:
    name = "</script><b>|*x*"
    clusters = {"view": name, "centred": None, "measure": "clusters", "p": 0.01}
    analysis = Analysis([finding(**clusters, statistic="ari"), finding(**clusters, statistic="purity")])
    page, markdown = analysis_page(analysis, name).html(), analysis_markdown(analysis, name)
    assert "<b>" not in page and "&lt;/script&gt;&lt;b&gt;" in page
    assert "<b>" not in markdown and r"\|\*x\*" in markdown
