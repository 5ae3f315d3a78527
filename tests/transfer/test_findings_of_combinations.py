"""Interference, predictions and advice, by hand and from planted numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hf_mplm.transfer.findings.advice import advise
from hf_mplm.transfer.findings.features import pair_features
from hf_mplm.transfer.findings.interference import interference_table
from hf_mplm.transfer.findings.prediction import predict
from hf_mplm.transfer.findings.table import Scores
from hf_mplm.transfer.findings.transfer import transfer_table

from .test_findings import base, row, tuned


# Table 6 of the paper: how often Arabic and its company gain and lose.
COUNTS = {"--": 1, "-+": 1, "+-": 3, "++": 2}


def combination(languages: tuple[str, ...], signs: str, fusion: str = "trained") -> list[Any]:
    return [
        row("combination", languages, code, 0.6 if sign == "+" else 0.4, fusion=fusion)
        for code, sign in zip(languages, signs)
    ]


def arabic() -> list[Any]:
    rows = [row("combination", ("ara",), "ara", 0.5)]
    cases = [case for case, count in COUNTS.items() for _ in range(count)]
    # The others stand before and after it in the order of codes, so that its own sign must be found by its code.
    for number, case in enumerate(cases):
        other = f"{'aa' if number % 2 else 'ben'}{number}"
        rows.append(row("combination", (other,), other, 0.5))
        rows += combination(("ara", other), case)
    return rows


def test_appendix_f_comes_out() -> None:
    found = {one["language"]: one for one in interference_table(Scores.from_rows(arabic()))}
    ara = found["ara"]
    assert (round(ara["x"], 2), round(ara["y"], 2)) == (0.43, -0.14)
    assert ara["counts"] == COUNTS and ara["n"] == 7 and ara["z"] is None
    assert -1 <= ara["x_low"] < ara["x"] < ara["x_high"] <= 1


def test_a_missing_single_is_counted_and_no_case() -> None:
    rows = [one for one in arabic() if one["languages"] != ("ben0",)]
    found = {one["language"]: one for one in interference_table(Scores.from_rows(rows))}
    assert (found["ara"]["n"], found["ara"]["n_missing"]) == (6, 1)
    assert "ben0" not in found


def test_three_languages_have_octants_and_fusions_stay_apart() -> None:
    languages = ("ara", "ben", "zho")
    rows = [row("combination", (code,), code, 0.5) for code in languages]
    rows += combination(languages, "+-+") + combination(languages, "---", fusion="average")
    found = {(one["fusion"], one["language"]): one for one in interference_table(Scores.from_rows(rows))}
    assert found["trained", "ara"]["counts"] == {"+-+": 1} and found["trained", "ben"]["counts"] == {"-++": 1}
    assert found["trained", "zho"]["z"] == -1 and found["average", "zho"]["z"] == -1
    assert found["trained", "zho"]["y"] == 1


CODES = ["eng_Latn", "deu_Latn", "nld_Latn", "spa_Latn", "ita_Latn", "rus_Cyrl", "ukr_Cyrl", "fin_Latn", "est_Latn"]
CODES += ["hin_Deva", "ben_Beng", "tur_Latn", "kaz_Cyrl", "swh_Latn", "arb_Arab"]


def study(score: Any, donors: list[str], targets: list[str]) -> list[Any]:
    rows = [base(target, 0.5) for target in targets]
    for donor in donors:
        for target in targets:
            rows += tuned(donor, target, 0.5 * (1 + score(donor, target)))
    return transfer_table(Scores.from_rows(rows))


@pytest.fixture(scope="module")
def features() -> dict[tuple[str, str], dict[str, float]]:
    return {(one, two): pair_features(one, two) for one in CODES for two in CODES}


def skills(prediction: Any, held_out: str) -> dict[str, float]:
    return {one["method"]: one["spearman"] for one in prediction.skills if one["held_out"] == held_out}


def test_features_of_a_pair() -> None:
    found = pair_features("deu_Latn", "nld_Latn")
    assert found["script"] == 1 and pair_features("deu_Latn", "spa_Latn")["lineage"] < found["lineage"] < 1
    assert found["distance"] < pair_features("deu_Latn", "jpn_Jpan")["distance"]
    vectors = {"deu_Latn": np.array([1.0, 0.0]), "nld_Latn": np.array([3.0, 4.0])}
    assert pair_features("deu_Latn", "nld_Latn", vectors=vectors)["cosine"] == pytest.approx(0.6)
    assert math.isnan(pair_features("deu_Latn", "jpn_Jpan", vectors=vectors)["cosine"])


class Text:
    def tokens(self, language: str) -> dict[str, int]:
        return {"deu_Latn": {"a": 3, "b": 1}, "nld_Latn": {"a": 1, "c": 1}}.get(language, {})

    def words(self, language: str) -> int:
        return 2


def test_features_of_text_are_those_by_hand() -> None:
    found = pair_features("deu_Latn", "nld_Latn", Text(), seen=["deu_Latn"])
    assert (found["token_overlap"], found["transfer_language_fertility"], found["target_fertility"]) == (0.5, 2, 1)
    assert (found["transfer_language_seen"], found["target_seen"]) == (1, 0)
    nothing = pair_features("deu_Latn", "jpn_Jpan", Text(), seen=["deu_Latn"])
    assert math.isnan(nothing["token_overlap"]) and nothing.keys() == found.keys()


def test_a_planted_effect_of_features_is_predicted_better_than_by_the_baselines(features: Any) -> None:
    def score(donor: str, target: str) -> float:
        return 0.2 * features[donor, target]["script"] + 0.3 * features[donor, target]["lineage"]

    prediction = predict(study(score, CODES[:12], CODES[3:]), features)
    for held_out in ("transfer language", "target"):
        found = skills(prediction, held_out)
        assert found["ridge"] > 0.8
        assert found["ridge"] > max(value for method, value in found.items() if method != "ridge")
        assert found["global mean"] == 0
    assert all("the ridge beats the best baseline" in line for line in prediction.verdicts)
    unseen = {(one["transfer_language"], one["target"]): one for one in prediction.pairs}
    assert ("arb_Arab", "hin_Deva") in unseen and ("eng_Latn", "hin_Deva") not in unseen
    errors = [one["ts"] - score(*pair) for pair, one in unseen.items()]
    assert np.abs(errors).mean() < 0.05


def test_noise_is_not_predicted_and_that_is_said(features: Any) -> None:
    rng = np.random.default_rng(3)
    of_target = {code: rng.normal() for code in CODES}
    table = study(lambda donor, target: 0.2 * of_target[target] + 0.01 * rng.normal(), CODES[:8], CODES)
    prediction = predict(table, features)
    # All there is is the target, whose mean over other transfer languages is as good as can be.
    assert skills(prediction, "transfer language")["target mean"] > 0.95
    assert abs(skills(prediction, "target")["ridge"]) < 0.4
    assert any("does not beat" in line for line in prediction.verdicts)


def test_a_left_out_language_is_really_left_out(features: Any) -> None:
    rng = np.random.default_rng(0)
    own = {code: rng.normal() for code in CODES}
    # Nothing but an effect of the donor: the donor mean knows it, unless the donor is left out.
    prediction = predict(study(lambda donor, target: 0.1 * own[donor], CODES[:8], CODES), features)
    assert skills(prediction, "target")["donor mean"] == pytest.approx(1)
    assert skills(prediction, "transfer language")["target mean"] == 0


def test_features_of_different_names_are_refused(features: Any) -> None:
    with pytest.raises(ValueError, match="same names for every pair"):
        predict([], {("eng_Latn", "deu_Latn"): {"a": 1.0}, ("eng_Latn", "fin_Latn"): {"b": 1.0}})
    table = study(lambda donor, target: 0.1, CODES[:3], CODES[:4])
    some = {pair: own for pair, own in features.items() if "eng_Latn" not in pair}
    assert predict(table, some).n_without_features == 6


def test_advice_has_what_was_measured_first_then_relatives_then_predictions(features: Any) -> None:
    rows = [base("nld_Latn", 0.5), base("deu_Latn", 0.5), base("fin_Latn", 0.5)]
    rows += tuned("rus_Cyrl", "nld_Latn", 0.4, 0.5)
    rows += tuned("hin_Deva", "deu_Latn", 0.9, 0.9)
    # German is a relative of Dutch, Finnish is none.
    rows += tuned("tur_Latn", "fin_Latn", 0.9, 0.9)
    table = transfer_table(Scores.from_rows(rows))
    found = advise(table, "nld_Latn", "pos")
    assert [(one.donor, one.evidence) for one in found] == [("rus_Cyrl", "measured"), ("hin_Deva", "relatives")]
    assert found[0].value == pytest.approx(-0.1) and found[1].value == pytest.approx(0.8)
    # Two repeats, -0.2 and 0: a standard error of 0.1, of which t(1 degree) has 12.7 on either side.
    assert found[0].high == pytest.approx(-0.1 + 12.706 * 0.1, abs=1e-3)
    prediction = predict(table, features)
    found = advise(table, "nld_Latn", "pos", prediction)
    evidence = [one.evidence for one in found]
    assert evidence == sorted(evidence, key=["measured", "relatives", "predicted"].index)
    assert {one.donor for one in found} == set(CODES) - {"nld_Latn"}
    assert len(found) == len({one.donor for one in found})


def test_advice_of_nothing_says_what_there_is() -> None:
    table = study(lambda donor, target: 0.1, ["fin_Latn"], ["est_Latn"])
    with pytest.raises(ValueError, match="nothing of ner; it has pos after 10"):
        advise(table, "est_Latn", "ner")
    with pytest.raises(ValueError, match="nothing was measured for swh_Latn"):
        advise(table, "swh_Latn", "pos")
