from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hf_mplm.languages import family, parse_code
from hf_mplm.sprachbund.clusters.partitions import adjusted_rand_index
from hf_mplm.sprachbund.linguistics.lexical_similarity import lexical_agreement
from hf_mplm.sprachbund.linguistics.paper_tables import (
    paper_clusters,
    paper_families,
    paper_lexical_similarity,
    paper_vector_similarity,
)


def test_table_1_has_108_languages_in_four_clusters() -> None:
    clusters = paper_clusters()
    assert len(clusters) == 108 and Counter(clusters.values()) == {"1": 37, "2": 22, "3": 30, "4": 19}
    assert all(parse_code(code).code == code and family(code) != "unknown" for code in clusters)
    assert clusters["eng_Latn"] == clusters["gsw_Latn"] == "1" and clusters["khk_Cyrl"] == "4"


def test_table_7_stands_as_printed_and_agrees_little_with_table_1() -> None:
    families, clusters = paper_families(), paper_clusters()
    assert len(families) == 107 and set(clusters) - set(families) == {"khk_Cyrl"}
    assert families["urd_Arab"] == "Mongolic" and families["cym_Latn"] == "Germantic"
    both = sorted(set(families) & set(clusters))
    ari = adjusted_rand_index([clusters[code] for code in both], [families[code] for code in both])
    assert ari == pytest.approx(0.188, abs=0.001)


def test_tables_8_and_9_correlate_as_computed_by_numpy() -> None:
    lexical, vectors = paper_lexical_similarity(), paper_vector_similarity()
    assert lexical.codes == vectors.codes and len(lexical.codes) == 8
    lower = np.tril_indices(8, -1)
    known = ~np.isnan(lexical.matrix[lower])
    assert known.sum() == 15 and not np.isnan(vectors.matrix).any()
    assert np.array_equal(vectors.matrix, vectors.matrix.T)
    expected = np.corrcoef(lexical.matrix[lower][known], vectors.matrix[lower][known])[0, 1]
    found = lexical_agreement(vectors.codes, vectors.matrix)
    # The paper prints 0.83.
    assert found.pearson == pytest.approx(expected) == pytest.approx(0.835, abs=0.0005)
    assert found.pairs == 15 and found.low < found.pearson < found.high < 1


def test_a_shuffled_table_does_not_correlate() -> None:
    table = paper_vector_similarity()
    order = [3, 0, 6, 1, 7, 2, 5, 4]
    assert lexical_agreement(table.codes, table.matrix[np.ix_(order, order)]).pearson < 0.6


def test_pairs_that_are_not_there_are_left_out() -> None:
    table = paper_vector_similarity()
    rows = [table.codes.index(code) for code in ("cat_Latn", "fra_Latn", "por_Latn")]
    found = lexical_agreement([table.codes[row] for row in rows], table.matrix[np.ix_(rows, rows)])
    assert found.pairs == 3 and found.languages == ("cat_Latn", "fra_Latn", "por_Latn")
    nothing = lexical_agreement(["cat_Latn", "jpn_Jpan"], np.eye(2))
    assert nothing.pairs == 0 and np.isnan(nothing.pearson) and nothing.languages == ()
