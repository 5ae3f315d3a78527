from __future__ import annotations

import numpy as np
import pytest

from hf_mplm.languages import family, list_codes, parse_code
from hf_mplm.sprachbund.linguistics.analysis import analyse, language_labels
from hf_mplm.sprachbund.linguistics.findings import Analysis, Finding
from hf_mplm.sprachbund.linguistics.paper_tables import paper_clusters
from hf_mplm.sprachbund.vectors.block_sums import BlockSums
from hf_mplm.sprachbund.vectors.language_vectors import LanguageVectors


CODES = [code for code in list_codes("udhr") if family(code) != "unknown"][:120]


def vectors_of(views: dict[str, np.ndarray], codes: list[str]) -> LanguageVectors:
    sums = {}
    for view, means in views.items():
        sums[view] = BlockSums.zeros(len(codes), means.shape[1])
        for row, mean in enumerate(means):
            sums[view].add(row, np.array([0, 1]), np.stack([mean, mean]))
    return LanguageVectors(codes, sums, {"model": "toy"})


@pytest.fixture(scope="module")
def views() -> dict[str, np.ndarray]:
    """A view of families, one of scripts alone, and one of nothing."""
    generator = np.random.default_rng(0)
    families, scripts = [family(code) for code in CODES], [parse_code(code).script for code in CODES]
    noise = generator.normal(size=(len(CODES), 16))

    def planted(labels: list[str]) -> np.ndarray:
        centre = {label: 3 * generator.normal(size=16) for label in sorted(set(labels))}
        return np.array([centre[label] for label in labels]) + generator.normal(size=noise.shape)

    return {"layer4-mean": planted(families), "characters": planted(scripts), "random-layer4-mean": noise}


@pytest.fixture(scope="module")
def analysis(views: dict[str, np.ndarray]) -> Analysis:
    clusters = {"by family": {code: family(code) for code in CODES}, "random": dict(zip(CODES, "abcd" * 30))}
    return analyse(vectors_of(views, CODES), clusters, against={"Table 1": paper_clusters()}, permutations=49)


def one(analysis: Analysis, **fields: object) -> Finding:
    found = [item for item in analysis.findings if all(getattr(item, key) == value for key, value in fields.items())]
    assert len(found) == 1, (fields, len(found))
    return found[0]


def share(analysis: Analysis, view: str, of: str, among: str) -> Finding:
    return one(analysis, view=view, centred=True, measure="nearest neighbour", of=of, among=among)


def test_families_are_found_and_scripts_are_not_taken_for_them(analysis: Analysis) -> None:
    found = share(analysis, "layer4-mean", "family", "all")
    assert found.value is not None and found.baseline is not None and found.value > found.baseline + 0.3
    scripts = share(analysis, "characters", "script", "all")
    assert scripts.value is not None and scripts.value > 0.85
    across = share(analysis, "characters", "family", "another script")
    assert across.value is not None and across.baseline is not None and abs(across.value - across.baseline) < 0.1
    noise = share(analysis, "random-layer4-mean", "family", "all")
    assert noise.value is not None and noise.baseline is not None and abs(noise.value - noise.baseline) < 0.15


def test_correlations_of_descent_and_what_scripts_leave_of_them(analysis: Analysis) -> None:
    fields = {"measure": "mantel", "of": "genealogy", "centred": True}
    plain = one(analysis, view="layer4-mean", statistic="spearman", **fields)
    partial = one(analysis, view="layer4-mean", statistic="partial spearman", **fields)
    assert plain.p == partial.p == 1 / 50 and partial.among == "script and characters"
    scripts = one(analysis, view="characters", statistic="partial spearman", **fields)
    assert scripts.among == "script" and scripts.value is not None and abs(scripts.value) < 0.1
    noise = one(analysis, view="random-layer4-mean", statistic="spearman", **fields)
    assert noise.p is not None and noise.p > 1 / 50
    assert not [item for item in analysis.findings if item.view == item.of == "characters"]


def test_clusters_against_labels_and_table_1(analysis: Analysis) -> None:
    fields = {"measure": "clusters", "statistic": "ari"}
    assert one(analysis, view="by family", of="family", **fields).value == 1
    random = one(analysis, view="random", of="family", **fields)
    assert random.value == pytest.approx(0, abs=0.05) and random.p is not None and random.p > 0.01
    table = one(analysis, view="by family", of="Table 1", **fields)
    assert table.n_languages == len(set(CODES) & set(paper_clusters()))
    assert table.n_lacking == len(CODES) - table.n_languages == len(table.lacking.split())


def test_every_number_says_how_many_languages_it_rests_on(analysis: Analysis) -> None:
    for item in analysis.findings:
        assert item.n_languages + item.n_lacking == len(CODES) and len(item.lacking.split()) == item.n_lacking
        assert item.value is None or item.value == item.value
    syntax = one(analysis, view="layer4-mean", centred=True, measure="mantel", of="syntax", statistic="spearman")
    assert 0 < syntax.n_lacking < len(CODES)


def test_every_view_is_there_centred_and_not_in_the_same_rows(analysis: Analysis) -> None:
    by_view: dict[tuple[str, bool | None], set[tuple[str, ...]]] = {}
    for item in analysis.findings:
        if item.measure != "clusters" and item.of != "characters":
            by_view.setdefault((item.view, item.centred), set()).add((item.measure, item.of, item.statistic))
    assert len(by_view) == 6 and len({frozenset(rows) for rows in by_view.values()}) == 1


def test_a_view_without_differences_is_left_out_and_named(views: dict[str, np.ndarray]) -> None:
    same = {"layer0-cls": np.ones((len(CODES), 4)), "layer4-mean": views["layer4-mean"]}
    found = analyse(vectors_of(same, CODES), permutations=9)
    assert list(found.left_out) == ["layer0-cls"] and "same for all" in found.left_out["layer0-cls"]
    assert {item.view for item in found.findings} == {"layer4-mean"}
    with pytest.raises(ValueError, match="same for all"):
        analyse(vectors_of(same, CODES), views=["layer0-cls"])
    with pytest.raises(ValueError, match="there is no view 'layer9-mean'"):
        analyse(vectors_of(same, CODES), views=["layer9-mean"])


def test_few_languages(views: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="at least three languages; there are 2"):
        analyse(vectors_of({"layer4-mean": views["layer4-mean"][:2]}, CODES[:2]))
    # Nothing is known of these but their scripts.
    codes = ["ayz_Latn", "ayz_Arab", "ido_Latn"]
    found = analyse(vectors_of({"layer4-mean": views["layer4-mean"][:3]}, codes), permutations=9)
    assert one(found, centred=True, measure="mantel", of="geography", statistic="spearman").value is None
    assert one(found, centred=True, of="Table 8").value is None


def test_branches_are_whole_lineages() -> None:
    labels = language_labels(["eng_Latn", "fra_Latn", "eus_Latn", "ayz_Latn"])
    assert labels["branch"][0] == "Indo-European > Classical Indo-European > Germanic"
    assert labels["branch"][2] == "Basque" and labels["branch"][3] is None and labels["family"][3] is None
    assert labels["head or tail"] == ["head", "head", "head", "tail"]
    assert language_labels(["eng_Latn"], depth=1)["branch"] == ["Indo-European"]
