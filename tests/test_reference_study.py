"""The reference study: its rule, what it pairs, and the table that it draws from runs on disk."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import commands, reference_study
from examples.reference import langsamp, static, transfer
from examples.reference.findings import Finding, judge, paired
from examples.reference.sprachbund import tail_beyond_head
from examples.reference.study import Study
from examples.reference.transfer import own_best, received
from examples.script_alignment import GROUPS
from hf_mplm.cli.main import VERBS
from hf_mplm.evaluation import make_row, write_results


LANGUAGES = ["rus_Cyrl", "hin_Deva", "tur_Latn", "swh_Latn", "kin_Latn", "quy_Latn"]


def finding(table: list[list[float]]) -> Finding:
    return Finding("m", "c", "d", dict(zip(LANGUAGES, table)))


def test_the_interval_over_seeds_is_students() -> None:
    judged = judge(finding([[1.0, 2.0, 3.0]] * 6))
    # Means over languages are 1, 2 and 3: their standard error is 1 / sqrt(3), and t of 2 degrees at 97.5 % is 4.3027.
    assert judged.over_seeds == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    assert judged.over_languages == pytest.approx((2.0, 2.0))
    assert judged.mean == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("table", "verdict"),
    [
        ([[1.0, 1.1, 0.9]] * 6, "holds"),
        ([[-1.0, -1.1, -0.9]] * 6, "does not"),
        # All languages agree, the seeds do not.
        ([[3.0, 0.1, -0.1]] * 6, "cannot be told here"),
        # All seeds agree, the languages do not.
        ([[5.0, 5.1, 4.9], *([[-0.5, -0.6, -0.4]] * 5)], "cannot be told here"),
        # Clear, and of too few languages or seeds.
        ([[1.0, 1.1, 0.9]] * 4, "cannot be told here"),
        ([[1.0, 1.1]] * 6, "cannot be told here"),
        ([[1.0]] * 6, "cannot be told here"),
    ],
)
def test_a_verdict_needs_both_intervals(table: list[list[float]], verdict: str) -> None:
    assert judge(finding(table)).verdict == verdict


def test_what_is_not_a_table_is_refused() -> None:
    for differences in ({}, {"rus_Cyrl": [1.0], "hin_Deva": [1.0, 2.0]}, {"rus_Cyrl": []}):
        with pytest.raises(ValueError, match="a difference a seed"):
            judge(Finding("m", "c", "d", differences))


def test_pairs_are_of_languages_that_all_have() -> None:
    better = [{"rus_Cyrl": 3.0, "hin_Deva": 1.0}, {"rus_Cyrl": 5.0}]
    assert paired(better, [{"rus_Cyrl": 1.0, "hin_Deva": 0.0}]) == {"rus_Cyrl": [2.0, 4.0]}
    assert paired(better[:1], [{"hin_Deva": 4.0}], sign=-1.0) == {"hin_Deva": [3.0]}
    assert paired([], better) == {}


def test_gains_of_tail_languages_stand_beside_those_of_head_languages() -> None:
    gain = {"rus_Cyrl": [1.0, 2.0], "hin_Deva": [3.0, 4.0], "quy_Latn": [5.0, 3.0]}
    assert tail_beyond_head(gain) == {"quy_Latn": [3.0, 0.0]}
    assert tail_beyond_head({"quy_Latn": [5.0]}) == {}


def transfers(own: float, noise: float) -> dict[tuple[str, int, str, str], dict[int, float]]:
    """Four donors; each of four targets has one that helps it by `own` beyond the others, in every repeat alike."""
    drawn = np.random.default_rng(0)
    donors, targets = ["eng_Latn", "tur_Latn", "tel_Telu", "wol_Latn"], LANGUAGES[:4]
    return {
        ("pos", 10, donor, target): {
            repeat: own * (donors.index(donor) == targets.index(target)) + noise * drawn.normal()
            for repeat in range(3)
        }
        for donor in donors
        for target in targets
    }


def test_a_target_has_its_own_best_donor_only_where_other_repeats_say_so() -> None:
    told = own_best(transfers(own=1.0, noise=0.01), 10)
    # One target's own best is the best of all; the others gain 1 by it.
    assert sorted(round(np.mean(values)) for values in told.values()) == [0, 1, 1, 1]
    # Where nothing but luck differs, the best of all four donors in the same repeat would be 1 above their mean.
    noise = transfers(own=0.0, noise=1.0)
    lucky = [
        max(noise["pos", 10, donor, target][repeat] for _, _, donor, of in noise if of == target)
        for target in LANGUAGES[:4]
        for repeat in range(3)
    ]
    assert np.mean(lucky) > 0.8
    assert abs(np.mean([value for values in own_best(noise, 10).values() for value in values])) < 0.4


def test_a_donor_gets_nothing_of_itself() -> None:
    own = {("pos", 1, "tur_Latn", "tur_Latn"): {0: 9.0}, ("pos", 1, "eng_Latn", "tur_Latn"): {0: 1.0, 1: 2.0}}
    assert received(own, 1) == {"tur_Latn": [1.0, 2.0]}
    more = {**own, ("pos", 1, "wol_Latn", "tur_Latn"): {0: 3.0}}
    # Only repeats that all donors have.
    assert received(more, 1) == {"tur_Latn": [2.0]}


class Started(Exception):
    """A study has understood its flags and types its first command."""


def typed(monkeypatch: pytest.MonkeyPatch, data: Path, output: Path, size: str) -> list[list[str]]:
    """The commands of a whole study, none of which is run."""
    lines: list[list[str]] = []

    def record(line: list[str], check: bool) -> None:
        assert check
        lines.append(line[2:])
        if "lexicon" in line:
            _, english, other = line[line.index("--parallel") :][:3]
            folder = Path(line[line.index("--output") + 1])
            folder.mkdir(exist_ok=True)
            (folder / f"{Path(english).stem}-{Path(other).stem}.tsv").write_text("a\tb\nc\td\n", encoding="utf-8")

    monkeypatch.setattr(commands.subprocess, "run", record)
    for method in reference_study.METHODS.values():
        list(method.work(Study("MODEL", data, output, size, [1, 2, 3])))
    return lines


@pytest.fixture(scope="module")
def sib200(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    groups = [code for group in GROUPS.values() for code in group["languages"]]
    for code in {*groups, *langsamp.LANGUAGES["small"], *static.LANGUAGES, *transfer.LANGUAGES}:
        folder = data / "sib200" / code
        folder.mkdir(parents=True)
        (folder / "train.tsv").write_text("index_id\tcategory\ttext\n7\ttravel\tA sentence.\n", encoding="utf-8")
    return data


@pytest.mark.parametrize("size", ["small", "full"])
def test_every_command_of_the_study_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sib200: Path, size: str
) -> None:
    lines = typed(monkeypatch, sib200, tmp_path, size)
    assert {"pretrain", "align-scripts", "evaluate", "static", "transfer"} <= {line[1] for line in lines}
    for module, *words in lines:
        if module == "hf_mplm":
            verb, *rest = words
            room = importlib.import_module(f"hf_mplm.cli.{VERBS[verb][0]}")
            if not inspect.signature(room.make_parser).parameters:
                room.make_parser().parse(rest)
                continue
            action, *rest = rest
            # A recipe may hold the settings of all actions of a verb.
            dests = {one: {flag.dest for flag in room.make_parser(one)._actions} for one in room.ACTIONS}
            room.make_parser(action).parse(rest, ignore=set().union(*dests.values()) - dests[action])
            continue
        example = importlib.import_module(module)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", [module, *words])

            def start(*_: object, **__: object) -> None:
                raise Started

            patch.setattr(example, "run", start)
            with pytest.raises(Started):
                example.main()


def test_the_table_is_drawn_from_runs_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands.subprocess, "run", lambda *_, **__: pytest.fail("nothing is to be run"))
    levels = {"start": 0.2, "mlm": 0.3, "x2s-dcca": 0.5}
    for name, level in levels.items():
        for seed in (7, 42, 43):
            folder = tmp_path / "static" / "results" / (name if name == "start" else f"{name}-{seed}") / "main"
            rows = [
                make_row(
                    task="tatoeba",
                    language=code,
                    metric="accuracy@1",
                    value=level + 0.001 * number + 1e-5 * seed,
                    n=10,
                    model=name,
                    source_language="eng_Latn",
                )
                for number, code in enumerate([*LANGUAGES, "eng_Latn"])
            ]
            write_results(folder, rows, {})
    words = ["--model", "m", "--data", str(tmp_path), "--output", str(tmp_path / "out")]
    told = ["--tell", "--results", f"static={tmp_path / 'static'}"]
    monkeypatch.setattr(sys, "argv", ["reference_study", *words, *told])
    reference_study.main()
    lines = (tmp_path / "out" / "findings.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if "DCCA better than masked LM alone" in line]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    # English is the source and no target.
    assert cells[2:6] == ["Tatoeba, accuracy@1", "6", "3", "+20.0 points"] and cells[-1] == "holds"
    assert not [line for line in lines if "MSE" in line]
    assert "holds" in capsys.readouterr().out
