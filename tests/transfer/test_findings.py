"""Tables of a study, by hand and from a planted one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from hf_mplm.transfer.findings.table import Scores
from hf_mplm.transfer.findings.transfer import (
    rankings,
    recipients,
    task_correlation,
    transfer_table,
    variance_types,
)


Row = dict[str, Any]


def row(kind: str, languages: tuple[str, ...], target: str, value: float, **other: Any) -> Row:
    common = {"repeat": 0, "fusion": "", "task": "pos", "step": 0, "metric": "accuracy", "n": 100}
    return {"kind": kind, "languages": languages, "target": target, "value": value, **common, **other}


def base(target: str, value: float, **other: Any) -> Row:
    return row("baseline", (), target, value, **other)


def tuned(language: str, target: str, *values: float, step: int = 10, **other: Any) -> list[Row]:
    return [row("tuning", (language,), target, value, repeat=n, step=step, **other) for n, value in enumerate(values)]


# Base scores 0.5, 0.2 and 0: by hand ts(fin, ...) = (0.1, -0.5), ts(deu, ...) = (-0.2, 0.5).
SMALL = [
    base("eng", 0.5),
    base("hin", 0.2),
    base("yor", 0.0),
    *tuned("fin", "eng", 0.5, 0.6),
    *tuned("fin", "hin", 0.1, 0.1),
    *tuned("fin", "yor", 0.02, 0.04),
    *tuned("deu", "eng", 0.4, 0.4),
    *tuned("deu", "hin", 0.2, 0.4),
    *tuned("deu", "nyq", 0.4),
]


@pytest.fixture(scope="module")
def small() -> list[Any]:
    return transfer_table(Scores.from_rows(SMALL))


def test_transfer_scores_and_their_standard_errors_are_those_by_hand(small: list[Any]) -> None:
    found = {(one["transfer_language"], one["target"]): one for one in small}
    assert found["fin", "eng"]["ts"] == pytest.approx(0.1)
    # The repeats are 0 and 0.2 of the base: their standard deviation is 0.2 / sqrt 2, by sqrt 2 again.
    assert found["fin", "eng"]["sem"] == pytest.approx(0.1)
    assert found["deu", "hin"]["ts"] == pytest.approx(0.5)
    assert found["fin", "hin"]["sem"] == pytest.approx(0.0, abs=1e-12)
    assert found["fin", "eng"]["change"] == pytest.approx(0.05)


def test_a_base_of_zero_has_no_score_but_a_change_and_is_counted(small: list[Any]) -> None:
    found = {(one["transfer_language"], one["target"]): one for one in small}
    assert found["fin", "yor"]["ts"] is None and found["fin", "yor"]["sem"] is None
    assert found["fin", "yor"]["change"] == pytest.approx(0.03)
    fin = {one["language"]: one for one in rankings(small).transfer}["fin"]
    assert (fin["n"], fin["n_zero_base"], fin["n_no_base"]) == (2, 1, 0)
    assert fin["zero_base_change"] == pytest.approx(0.03)


def test_a_target_without_a_baseline_is_counted(small: list[Any]) -> None:
    deu = {one["language"]: one for one in rankings(small).transfer}["deu"]
    assert (deu["n"], deu["n_no_base"]) == (2, 1)


def test_rankings_are_those_by_hand(small: list[Any]) -> None:
    found = rankings(small)
    deu, fin = found.transfer
    assert [deu["language"], fin["language"]] == ["deu", "fin"]
    assert deu["ts"] == pytest.approx(0.15) and fin["ts"] == pytest.approx(-0.2)
    assert deu["positive"] == fin["positive"] == 0.5
    # -0.2 and 0.5 about 0.15: 2 x 0.35^2 / 1.
    assert deu["variance"] == pytest.approx(0.245)
    assert (fin["n_max"], fin["n_min"], deu["n_max"], deu["n_min"]) == (1, 1, 1, 1)
    targets = {one["language"]: one for one in found.target}
    assert targets["hin"]["ts"] == pytest.approx(0.0) and targets["eng"]["ts"] == pytest.approx(-0.05)
    assert targets["yor"]["ts"] is None and targets["yor"]["rank"] == 4


def test_a_failed_cell_is_in_no_mean() -> None:
    without = [one for one in SMALL if not (one["languages"] == ("fin",) and one["target"] == "eng" and one["repeat"])]
    pair = {(one["transfer_language"], one["target"]): one for one in transfer_table(Scores.from_rows(without))}
    assert pair["fin", "eng"]["ts"] == pytest.approx(0.0) and pair["fin", "eng"]["n_repeats"] == 1
    # As a zero, which the published code wrote, it would halve the score.
    zero = [*without, *tuned("fin", "eng", 0.0, 0.0)[1:]]
    pair = {(one["transfer_language"], one["target"]): one for one in transfer_table(Scores.from_rows(zero))}
    assert pair["fin", "eng"]["ts"] == pytest.approx(-0.5)
    whole = [one for one in SMALL if one["languages"] != ("fin",)]
    assert {one["language"] for one in rankings(transfer_table(Scores.from_rows(whole))).transfer} == {"deu"}


def test_a_missing_repeat_of_one_target_leaves_the_intervals_finite() -> None:
    rows = [base("eng", 0.5), base("hin", 0.5), *tuned("fin", "eng", 0.6, 0.7), tuned("fin", "hin", 0.6, 0.8)[1]]
    (fin,) = rankings(transfer_table(Scores.from_rows(rows))).transfer
    # By hand: the means of the targets are 0.3 and 0.6; the least that can be drawn is 0.2, the most 0.6.
    assert fin["ts"] == pytest.approx(0.45)
    assert 0.2 <= round(fin["low"], 9) < fin["ts"] < round(fin["high"], 9) <= 0.6
    assert fin["verdict"] == "helps"


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    scores = Scores.from_rows([*SMALL, *tuned("tam", "eng", float("nan"))])
    assert scores.not_finite == 1
    assert transfer_table(scores) == transfer_table(Scores.from_rows(SMALL))


def test_a_cell_with_two_values_and_an_unknown_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="two values, 0.5 and 0.6"):
        Scores.from_rows([base("eng", 0.5), base("eng", 0.6)])
    with pytest.raises(ValueError, match="'pair' is no kind"):
        Scores.from_rows([row("pair", (), "eng", 0.5)])
    with pytest.raises(ValueError, match="one language, not of deu, fin"):
        Scores.from_rows([row("tuning", ("fin", "deu"), "eng", 0.5)])


def test_the_main_metric_of_a_task_is_taken() -> None:
    rows = [base("eng", 0.5, task="parsing", metric="las"), base("eng", 0.7, task="parsing", metric="uas")]
    assert Scores.from_rows(rows).base == {("parsing", "eng"): 0.5}
    assert Scores.from_rows(rows[1:]).base == {("parsing", "eng"): 0.7}


def test_variance_types_give_back_table_5() -> None:
    # Language, #max, #min, variance and type as printed.
    printed = [
        ("ibo", 10, 10, 23.5, "+ and -"),
        ("bam", 11, 15, 21.5, "+ and -"),
        ("mos", 13, 2, 16.1, "+"),
        ("pcm", 1, 11, 13.4, "-"),
        ("eng", 0, 0, 6.4, "neutral"),
        ("ara", 0, 0, 5.1, "neutral"),
    ]
    (rank,) = rankings(transfer_table(Scores.from_rows([base("hin", 0.5), *tuned("fin", "hin", 0.4)]))).transfer
    ranks: Any = [
        {**rank, "language": language, "n_max": most, "n_min": least, "variance": variance}
        for language, most, least, variance, _ in reversed(printed)
    ]
    found = [
        (one["language"], one["n_max"], one["n_min"], one["variance"], one["type"]) for one in variance_types(ranks)
    ]
    assert found == printed


def test_the_best_of_equal_ones_is_nobody() -> None:
    rows = [base("eng", 0.5), *tuned("fin", "eng", 0.6), *tuned("deu", "eng", 0.6)]
    assert [one["n_max"] for one in rankings(transfer_table(Scores.from_rows(rows))).transfer] == [0, 0]


def test_recipients() -> None:
    donors = [f"d{number}" for number in range(10)]
    gains = {"all": 10, "most": 9, "some": 4, "none": 0}
    rows = [base(target, 0.5) for target in gains]
    for number, donor in enumerate(donors):
        for target, count in gains.items():
            rows += tuned(donor, target, 0.6 if number < count else 0.5)
        rows += tuned(donor, "all", 0.9, step=100)
    found = recipients(transfer_table(Scores.from_rows(rows)))
    groups = {one["target"]: (one["group"], one["positive"]) for one in found.shares if one["step"] == 10}
    assert groups == {
        "all": ("always", 1.0),
        "most": ("almost always", 0.9),
        "some": ("sometimes", 0.4),
        "none": ("never", 0.0),
    }
    largest = {(one["transfer_language"], one["step"]): one["target"] for one in found.largest}
    assert largest["d9", 10] == "all" and largest["d0", 100] == "all"


def test_correlation_of_tasks_is_over_common_targets_and_is_scipys() -> None:
    rng = np.random.default_rng(0)
    donors, rows, means = ["fin", "deu", "tam", "hin", "yor"], [], {}
    for task in ("ner", "pos"):
        rows += [base(target, 0.5, task=task) for target in ("eng", "spa", task)]
        for donor in donors:
            values = rng.uniform(0.2, 0.8, 2)
            means[task, donor] = values.mean()
            for target, value in zip(("eng", "spa"), values):
                rows += tuned(donor, target, value, task=task)
            # A target of one task alone, which would change the ranking.
            rows += tuned(donor, task, rng.uniform(0, 9), task=task)
    (found,) = task_correlation(transfer_table(Scores.from_rows(rows)))
    wanted = spearmanr([means["ner", donor] for donor in donors], [means["pos", donor] for donor in donors])
    assert (found["first"], found["second"], found["n"], found["n_targets"]) == ("ner", "pos", 5, 2)
    assert found["rho"] == pytest.approx(wanted.statistic) and found["p"] == pytest.approx(wanted.pvalue)


EFFECTS = {"aaa": 0.3, "bbb": 0.1, "ccc": 0.0, "ddd": -0.1, "eee": -0.3}


def planted(seed: int, targets: int = 30, repeats: int = 6) -> Iterator[Row]:
    """Scores of an additive model: an effect of the donor, one of the pair's target, one of the tuned model, noise."""
    rng = np.random.default_rng(seed)
    bases = rng.uniform(0.2, 0.6, targets)
    names = [f"t{number:02d}" for number in range(targets)]
    for name, value in zip(names, bases):
        yield base(name, value)
    for donor, effect in EFFECTS.items():
        of_target, of_model = rng.normal(0, 0.15, targets), rng.normal(0, 0.03, repeats)
        noise = rng.normal(0, 0.05, (targets, repeats))
        for name, value, own, errors in zip(names, bases, of_target, noise):
            yield from tuned(donor, name, *(value * (1 + effect + own + of_model + errors)))


def test_a_planted_study_gives_its_ranking_back() -> None:
    found = rankings(transfer_table(Scores.from_rows(planted(0)))).transfer
    assert [one["language"] for one in found] == list(EFFECTS)
    verdicts = {one["language"]: one["verdict"] for one in found}
    assert (verdicts["aaa"], verdicts["ccc"], verdicts["eee"]) == ("helps", "cannot be told", "hurts")


def test_the_intervals_cover_what_was_planted() -> None:
    covered, alone = [], []
    for seed in range(40):
        table = transfer_table(Scores.from_rows(planted(seed)))
        for one in rankings(table, samples=300).transfer:
            covered.append(one["low"] <= EFFECTS[one["language"]] <= one["high"])
        for language, effect in EFFECTS.items():
            # Were the repeats all that is resampled, targets would be taken for all that there are.
            changes = [
                np.array(pair["scores"]) / pair["base"] - 1 for pair in table if pair["transfer_language"] == language
            ]
            means = np.mean(changes, axis=0)
            alone.append(abs(means.mean() - effect) <= 1.96 * means.std(ddof=1) / len(means) ** 0.5)
    assert 0.9 <= np.mean(covered) <= 0.995
    assert np.mean(alone) < 0.8


def test_the_same_seed_gives_the_same_intervals_whatever_else_is_in_the_table() -> None:
    table = transfer_table(Scores.from_rows(planted(1, targets=5)))
    some = [one for one in table if one["transfer_language"] != "aaa"]
    whole = {one["language"]: one["low"] for one in rankings(table).transfer}
    part = {one["language"]: one["low"] for one in rankings(some).transfer}
    assert part == {language: whole[language] for language in part}
    assert rankings(table, seed=1).transfer[0]["low"] != rankings(table).transfer[0]["low"]
