from __future__ import annotations

import numpy as np
import pytest

from hf_mplm.languages import feature_names, features, lineage
from hf_mplm.languages.linguistic_similarities import (
    genealogical_similarity,
    geographical_similarity,
    same_script,
    typological_similarity,
)
from hf_mplm.sprachbund.linguistics.word_order import WORD_ORDERS, word_order


CODES = ["eng_Latn", "deu_Latn", "hin_Deva", "fin_Latn", "est_Latn", "eus_Latn", "srp_Cyrl", "hrv_Latn", "nah_Latn"]


def test_descent_is_the_shared_part_of_the_lineages() -> None:
    found = genealogical_similarity([*CODES, "ayz_Latn"])
    for i, one in enumerate(CODES):
        for j, other in enumerate(CODES):
            first, second = lineage(one), lineage(other)
            shared = 0
            while shared < min(len(first), len(second)) and first[shared] == second[shared]:
                shared += 1
            assert found[i, j] == pytest.approx(2 * shared / (len(first) + len(second)))
    names = {code: row for row, code in enumerate(CODES)}
    assert found[names["eng_Latn"], names["deu_Latn"]] > found[names["eng_Latn"], names["hin_Deva"]] > 0
    assert found[names["eng_Latn"], names["eus_Latn"]] == 0 and found[names["srp_Cyrl"], names["hrv_Latn"]] == 1
    # Of Mai Brat the table of families says nothing.
    assert np.isnan(found[-1]).all()


def test_distances_of_cities_that_atlases_have() -> None:
    codes = ["isl_Latn", "jpn_Jpan", "mri_Latn", "ido_Latn"]
    found = geographical_similarity(codes)
    assert (np.diag(found)[:3] == 0).all() and np.isnan(found[3]).all() and np.allclose(found[:3, :3], found[:3, :3].T)
    # Iceland to Japan is about 8,700 km, to New Zealand about 17,000 km; half the equator is 20,015 km.
    assert found[0, 1] == pytest.approx(-8800, abs=400) and found[0, 2] == pytest.approx(-17200, abs=700)


def test_grammar_is_compared_where_both_are_known() -> None:
    names = set(feature_names("syntax"))
    found = typological_similarity(CODES, "syntax")
    for i, one in enumerate(CODES):
        for j, other in enumerate(CODES):
            first, second = features(one), features(other)
            both = [name for name in first if name in second and name in names]
            if len(both) < 10:
                assert np.isnan(found[i, j])
            else:
                assert found[i, j] == pytest.approx(np.mean([first[name] == second[name] for name in both]))
    assert np.isnan(typological_similarity(CODES, "syntax", min_known=104)).all()


def test_scripts() -> None:
    found = same_script(["eng_Latn", "srp_Cyrl", "srp_Latn"])
    assert found.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_word_orders_of_handbooks() -> None:
    codes = ["eng_Latn", "jpn_Jpan", "gle_Latn", "fra_Latn", "tur_Latn", "ido_Latn"]
    assert word_order(codes, "word order") == ["SVO", "SOV", "VSO", "SVO", "SOV", None]
    assert word_order(codes[:5], "adjective") == ["before noun", "before noun", *["after noun"] * 2, "before noun"]
    assert word_order(codes[:5], "adposition") == ["preposition", "postposition", *["preposition"] * 2, "postposition"]
    assert {name for classes in WORD_ORDERS.values() for name in classes} <= set(feature_names("syntax"))
    with pytest.raises(ValueError, match="adjective"):
        word_order(codes, "case")
