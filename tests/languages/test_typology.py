from __future__ import annotations

import numpy as np
import pytest

from hf_mplm.languages import (
    branch,
    coordinates,
    family_name,
    feature_names,
    feature_states,
    features,
    glottocode,
    lineage,
    list_codes,
)
from hf_mplm.languages.tables import families, iso_languages
from hf_mplm.languages.typology import DOMAINS, UNKNOWN, pack, unpack


@pytest.mark.parametrize(
    ("code", "family", "group"),
    [
        ("eng_Latn", "Indo-European", "Germanic"),
        ("deu_Latn", "Indo-European", "Germanic"),
        ("hin_Deva", "Indo-European", "Indo-Aryan"),
        ("pes_Arab", "Indo-European", "Iranian"),
        ("rus_Cyrl", "Indo-European", "Slavic"),
        ("lvs_Latn", "Indo-European", "Eastern Baltic"),
        ("fin_Latn", "Uralic", "Finnic"),
        ("heb_Hebr", "Afro-Asiatic", "Semitic"),
        ("kab_Latn", "Afro-Asiatic", "Berber"),
        ("swh_Latn", "Atlantic-Congo", "Narrow Bantu"),
        ("zho_Hans", "Sino-Tibetan", "Sinitic"),
        ("tel_Telu", "Dravidian", "South Dravidian II"),
        ("mri_Latn", "Austronesian", "Polynesian"),
        ("cnr_Latn", "Indo-European", "South Slavic"),
    ],
)
def test_known_lineages(code: str, family: str, group: str) -> None:
    names = lineage(code)
    assert names[0] == family == branch(code, depth=1)
    assert group in names[1:]


def test_branches_are_the_lineage_cut() -> None:
    assert branch("eng_Latn") == "Germanic" and branch("fra_Latn") == "Italic" and branch("ukr_Cyrl") == "Balto-Slavic"
    assert branch("eng_Latn", depth=1000) == lineage("eng_Latn")[-1]
    # An isolate is a family of its own, however deep one cuts.
    assert lineage("eus_Latn") == ("Basque",) and branch("eus_Latn") == "Basque"
    with pytest.raises(ValueError, match="depth 1"):
        branch("eng_Latn", depth=0)


def test_every_lineage_begins_with_the_family() -> None:
    known = [code for code in iso_languages() if family_name(code) != "unknown"]
    assert len(known) > 7400
    for code in known:
        assert lineage(code)[:1] == (family_name(code),), code
    assert all(lineage(code) == () for code in iso_languages() if family_name(code) == "unknown")
    assert set(families()) >= set(known)


def test_coordinates_of_places() -> None:
    for code, place in {
        "eng_Latn": (53, -1),
        "jpn_Jpan": (35, 135),
        "haw_Latn": (20, -156),
        "mri_Latn": (-38, 176),
        "isl_Latn": (64, -17),
        "swh_Latn": (-8, 37),
        "arb_Arab": (28, 44),
    }.items():
        point = coordinates(code)
        assert point is not None and np.allclose(point, place, atol=2.5), code
    for code in iso_languages():
        point = coordinates(code)
        assert point is None or (-90 <= point[0] <= 90 and -180 <= point[1] <= 180), code
    assert coordinates("ido_Latn") is None


def test_grammar_that_every_handbook_has() -> None:
    order = {"eng_Latn": "SVO", "fra_Latn": "SVO", "jpn_Jpan": "SOV", "tur_Latn": "SOV", "gle_Latn": "VSO"}
    for code, name in order.items():
        known = features(code)
        assert [one for one in ("SVO", "SOV", "VSO") if known[f"S_{one}"]] == [name], code
    assert features("tur_Latn")["S_ADPOSITION_AFTER_NOUN"] and not features("tur_Latn")["S_ADPOSITION_BEFORE_NOUN"]
    assert features("spa_Latn")["S_ADJECTIVE_AFTER_NOUN"] and not features("eng_Latn")["S_ADJECTIVE_AFTER_NOUN"]
    assert features("vie_Latn")["P_TONE"] and not features("spa_Latn")["P_TONE"]
    assert (
        features("fra_Latn")["INV_CLOSE_FRONT_ROUNDED_VOWEL"]
        and not features("spa_Latn")["INV_CLOSE_FRONT_ROUNDED_VOWEL"]
    )


def test_there_are_289_features_and_states_say_what_is_unknown() -> None:
    assert {domain: len(feature_names(domain)) for domain in DOMAINS} == {
        "syntax": 103,
        "phonology": 28,
        "inventory": 158,
    }
    codes = ["eng_Latn", "ido_Latn", "jpn_Jpan"]
    states = feature_states(codes, "syntax")
    assert np.array_equal(states, feature_states("eng_Latn, ido_Latn jpn_Jpan", "syntax"))
    assert states.shape == (3, 103) and set(np.unique(states)) == {-1, 0, 1}
    assert (states[1] == -1).all() and (states[0] >= 0).sum() > 90
    known = {name: bool(state) for name, state in zip(feature_names("syntax"), states[0]) if state >= 0}
    assert {name: value for name, value in features("eng_Latn").items() if name in known} == known
    with pytest.raises(ValueError, match="'syntax', 'phonology', 'inventory'"):
        feature_names("morphology")


def test_macrolanguages_and_aliases_find_the_same_entry() -> None:
    for one, other in {"ara": "arb_Arab", "lav": "lvs", "nep": "npi_Deva", "cmn": "zho_Hans", "sq": "als"}.items():
        assert lineage(one) == lineage(other) and len(lineage(one)) > 2
        assert features(one) == features(other) and len(features(one)) > 90
    # URIEL knows these features of the macrolanguage alone.
    assert glottocode("lvs_Latn") == "stan1325" and features("lvs_Latn")["S_SVO"]
    assert glottocode("eng") == "stan1293" and glottocode("que_Latn") is None and lineage("que_Latn") == ("Quechuan",)


def test_the_declaration_s_languages_are_covered() -> None:
    codes = list_codes("udhr")
    counts = {domain: int((feature_states(codes, domain) >= 0).any(axis=1).sum()) for domain in DOMAINS}
    assert counts["syntax"] >= 347 and counts["phonology"] >= 199 and counts["inventory"] >= 291, counts
    assert sum(coordinates(code) is not None for code in codes) >= 453
    assert sum(bool(lineage(code)) for code in codes) >= 447


def test_packing_is_reversible_and_nothing_known_takes_no_room() -> None:
    generator = np.random.default_rng(0)
    for length in (1, 4, 28, 103, 158):
        states = generator.integers(0, 3, length)
        states[0] = 1
        text = pack(states)
        assert (unpack(text, length) == states).all() and len(text) == -(-length // 4)
        assert not set(text) & set('"#\t \n')
    assert pack(np.full(28, UNKNOWN)) == ""


def test_unknown_codes_are_refused() -> None:
    for ask in (lineage, branch, coordinates, features, glottocode):
        with pytest.raises(ValueError, match="nearest are"):
            ask("qqq_Latn")
