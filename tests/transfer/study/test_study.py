from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from hf_mplm.jobs.files import DamagedError
from hf_mplm.transfer.study import worker
from hf_mplm.transfer.study.cluster import run_units_on_ray
from hf_mplm.transfer.study.database import DATABASE_FILE, OtherScoresError, StudyDatabase
from hf_mplm.transfer.study.planning import check_digests, plan_study
from hf_mplm.transfer.study.stopping import StoppingRule, units_to_spare
from hf_mplm.transfer.study.unit import CellScore, Unit
from hf_mplm.transfer.study.units import combination_counts, make_units
from hf_mplm.transfer.study.worker import run_units
from tests.processes import CONTEXT
from tests.transfer.study.planted import GIFTS, Planted, planted, work


def _plan(folder: Path, repeats: int = 2, experiment: Planted | None = None, **settings: object) -> list[Unit]:
    units = make_units(list(GIFTS), repeats)
    plan_study(folder, {"seed": 1, **settings}, experiment or Planted(GIFTS), units, steps=[1, 10])
    return units


def _scores(folder: Path) -> list[dict[str, object]]:
    with StudyDatabase(folder) as database:
        return list(database.scores())


def _states(folder: Path) -> dict[str, int]:
    with StudyDatabase(folder) as database:
        return database.counts()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """The scores of a study that one worker ran without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    _plan(folder)
    assert run_units(folder, Planted(GIFTS)).finished == 7
    return _scores(folder)


def test_units_of_a_study() -> None:
    units = make_units(
        ["b", "a"], 2, combination_languages=list("abcd"), sizes=[1, 2, 3], fusion=["trained", "average"]
    )
    assert units[:5] == [
        Unit("baseline"), Unit("tuning", ("a",), 0), Unit("tuning", ("b",), 0), Unit("tuning", ("a",), 1),
        Unit("tuning", ("b",), 1),
    ]  # fmt: skip
    assert combination_counts(units) == {1: 4, 2: 2 * 6, 3: 2 * 4}
    # The paper's 38 languages (section 5).
    many = make_units([], 0, combination_languages=[f"{i:02}" for i in range(38)], sizes=[1, 2, 3], fusion=["trained"])
    assert combination_counts(many) == {1: 38, 2: 703, 3: 8436}
    drawn = make_units([], 0, combination_languages=list("abcdef"), sizes=[3], fusion=["trained"], sample=5, seed=3)
    assert combination_counts(drawn) == {3: 5} and len(set(drawn)) == 6
    assert drawn == make_units(
        [], 0, combination_languages=list("fedcba"), sizes=[3], fusion=["trained"], sample=5, seed=3
    )


def test_a_study_that_is_stopped_goes_on(tmp_path: Path, whole: list[dict[str, object]]) -> None:
    _plan(tmp_path)
    first = Planted(GIFTS)
    assert run_units(tmp_path, first, max_units=3).finished == 3
    second = Planted(GIFTS)
    assert run_units(tmp_path, second).finished == 4
    assert not set(first.runs) & set(second.runs)
    assert _scores(tmp_path) == whole


def test_scores_after_the_last_step_are_those_of_all_that_are(tmp_path: Path, whole: list[dict[str, object]]) -> None:
    _plan(tmp_path)
    run_units(tmp_path, Planted(GIFTS))
    with StudyDatabase(tmp_path) as database:
        database.plan({}, [Unit("combination", ("deu_Latn", "kat_Geor"), fusion="average")])
        claim = database.claim("me")
        assert claim is not None
        database.finish(claim, [CellScore("pos", "deu_Latn", 0, "accuracy", 0.5, 100)], 1.0)
        found = list(database.scores(last_step=True))
    assert found == [row for row in whole if row["step"] == (10 if row["kind"] == "tuning" else 0)]
    assert 0 < len(found) < len(whole)


def test_an_interrupted_unit_is_given_back(tmp_path: Path) -> None:
    class Interrupted(Planted):
        def run(self, unit: Unit) -> list[CellScore]:
            raise KeyboardInterrupt

    _plan(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_units(tmp_path, Interrupted(GIFTS))
    assert _states(tmp_path) == {"open": 7}


def test_a_killed_worker_loses_its_unit_at_most(tmp_path: Path, whole: list[dict[str, object]]) -> None:
    _plan(tmp_path)
    process = CONTEXT.Process(target=work, args=(str(tmp_path), 0.3))
    process.start()
    deadline = time.monotonic() + 120
    while _states(tmp_path).get("done", 0) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    before = _states(tmp_path)
    assert before.get("running", 0) <= 1 and before["done"] >= 2
    done = run_units(tmp_path, Planted(GIFTS))
    assert done.finished == 7 - before["done"] and done.taken_over == before.get("running", 0)
    assert _scores(tmp_path) == whole


def test_two_workers_share_a_study(tmp_path: Path, whole: list[dict[str, object]]) -> None:
    _plan(tmp_path)
    workers = [CONTEXT.Process(target=work, args=(str(tmp_path), 0.2)) for _ in range(2)]
    for process in workers:
        process.start()
    for process in workers:
        process.join(120)
    assert [process.exitcode for process in workers] == [0, 0]
    assert _scores(tmp_path) == whole
    with sqlite3.connect(tmp_path / DATABASE_FILE) as connection:
        attempts = connection.execute("SELECT attempts FROM units").fetchall()
    assert attempts == [(1,)] * 7  # nothing was done twice


def test_a_silent_worker_of_another_machine_is_taken_over_by_nobodys_clock_but_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plan(tmp_path)
    with StudyDatabase(tmp_path) as database:
        silent = database.claim("elsewhere:1:a")
        alive = database.claim("elsewhere:2:b")
        assert silent is not None and alive is not None
        now = [0.0]

        def pass_time(seconds: float) -> None:
            now[0] += seconds
            if now[0] < 100:
                database.beat(alive)
            else:
                database.finish(alive, [CellScore("pos", "swh_Latn", 1, "accuracy", 0.5, 1)], 1.0)

        # The machine's own clock jumps back by a year, which decides on nothing.
        monkeypatch.setattr(worker.time, "time", lambda: -3e7)
        done = run_units(tmp_path, Planted(GIFTS), lease_seconds=30, clock=lambda: now[0], sleep=pass_time)
    assert done.taken_over == 1 and done.finished == 6
    assert _states(tmp_path) == {"done": 7}


def test_a_unit_that_was_run_twice_must_give_the_same(tmp_path: Path) -> None:
    _plan(tmp_path)
    row = CellScore("pos", "swh_Latn", 0, "accuracy", 0.5, 1)
    other = CellScore("pos", "swh_Latn", 0, "accuracy", 0.5 + 1e-12, 1)
    with StudyDatabase(tmp_path) as database:
        first = database.claim("elsewhere:1:a")
        assert first is not None and database.release(first)
        second = database.claim("elsewhere:2:b")
        assert second is not None
        database.finish(second, [row], 1.0)
        database.finish(first, [row], 1.0)
        with pytest.raises(OtherScoresError, match="run twice"):
            database.finish(first, [other], 1.0)
        assert [score["value"] for score in database.scores()] == [0.5]


def test_a_failed_unit_is_kept_told_and_retried(tmp_path: Path, whole: list[dict[str, object]]) -> None:
    failing = Unit("tuning", ("rus_Cyrl",), 1)
    _plan(tmp_path)
    done = run_units(tmp_path, Planted(GIFTS, fails=[failing]))
    assert (done.finished, done.failed) == (6, 1)
    with StudyDatabase(tmp_path) as database:
        assert database.failures() == [(failing, "ValueError: it diverged")]
        assert all((row["languages"], row["repeat"]) != (("rus_Cyrl",), 1) for row in database.scores())
    assert run_units(tmp_path, Planted(GIFTS)).finished == 0  # not by itself
    with StudyDatabase(tmp_path) as database:
        assert database.retry_failed() == 1
    run_units(tmp_path, Planted(GIFTS))
    assert _scores(tmp_path) == whole


def test_a_score_that_is_no_number_fails_its_unit(tmp_path: Path) -> None:
    _plan(tmp_path)
    done = run_units(tmp_path, Planted({**GIFTS, "deu_Latn": float("nan")}))
    assert done.failed == 2
    with StudyDatabase(tmp_path) as database:
        assert {unit.languages for unit, _ in database.failures()} == {("deu_Latn",)}


def test_other_settings_and_other_content_are_refused(tmp_path: Path) -> None:
    _plan(tmp_path, model="a")
    _plan(tmp_path, model="b")  # the same content in another place
    with pytest.raises(ValueError, match="--seed was 1 and is 2"):
        _plan(tmp_path, seed=2, model="a")
    other = Planted({**GIFTS, "deu_Latn": 0.3})
    with pytest.raises(ValueError, match="content of base"):
        _plan(tmp_path, experiment=other, model="a")
    with pytest.raises(ValueError, match="changed since: base"):
        check_digests(tmp_path, other)
    check_digests(tmp_path, Planted(GIFTS))
    with pytest.raises(ValueError, match="test data of a target"):
        _plan(tmp_path / "empty", experiment=Planted(GIFTS, base={}))


def test_sequential_stopping_spares_what_is_decided(tmp_path: Path) -> None:
    _plan(tmp_path, repeats=8)
    done = run_units(tmp_path, Planted(GIFTS, noise=0.001), stopping=StoppingRule(target_sem=0.02))
    assert done.spared == 5 * len(GIFTS) and done.finished == 1 + 3 * len(GIFTS)
    # Without the mechanism all are run; with a noise that hides everything too.
    _plan(tmp_path / "noisy", repeats=8)
    noisy = run_units(tmp_path / "noisy", Planted(GIFTS, noise=1.0), stopping=StoppingRule(target_sem=0.02))
    assert noisy.spared == 0
    with StudyDatabase(tmp_path) as database:
        assert units_to_spare(database, StoppingRule(0.02)) == []


def test_what_the_rule_decides() -> None:
    rule = StoppingRule(target_sem=0.02)
    relative = np.array([[0.10, 0.0, 0.5], [0.10, 0.3, 0.51], [0.10, -0.3, 0.49], [0.10, 0.1, 0.5]])
    assert rule.decided(relative).tolist() == [True, False, True]
    assert not rule.decided(relative[:2]).any()


def test_looking_after_each_repeat_decides_falsely_no_more_often_than_promised() -> None:
    rule = StoppingRule(target_sem=1e-9, max_repeats=10)
    nothing = np.random.default_rng(0).normal(size=(10, 20_000))

    def false_decisions(rule: StoppingRule) -> float:
        looks = [rule.decided(nothing[:repeats]) for repeats in range(2, 11)]
        return float(np.any(looks, axis=0).mean())

    # Three standard errors of a share of 0.05 among 20,000 are 0.005.
    assert false_decisions(rule) < 0.055
    # A rule that knows of one look alone is what each look would be without the correction.
    assert false_decisions(StoppingRule(target_sem=1e-9, max_repeats=3)) > 0.1
    # And an effect of three standard deviations is found.
    found = rule.decided(nothing + 3)
    assert found.mean() > 0.99


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_cluster_sends_scores_home(engine: str, tmp_path: Path, whole: list[dict[str, object]]) -> None:
    if engine == "ray":
        pytest.importorskip("ray", reason="needs ray")
    _plan(tmp_path)
    done = run_units_on_ray(tmp_path, planted, {"gifts": GIFTS}, engine=engine)
    assert done.finished == 7
    assert _scores(tmp_path) == whole


def test_folders_that_are_no_study(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="hf-mplm transfer plan --study"):
        StudyDatabase(tmp_path)
    _plan(tmp_path / "newer")
    with sqlite3.connect(tmp_path / "newer" / DATABASE_FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ValueError, match="version 99.*pip install --upgrade"):
        StudyDatabase(tmp_path / "newer")
    garbage = tmp_path / "garbage"
    garbage.mkdir()
    (garbage / DATABASE_FILE).write_bytes(os.urandom(5000))
    with pytest.raises(DamagedError, match="SQLite says"):
        StudyDatabase(garbage)
    _plan(tmp_path / "cut", repeats=200)
    path = tmp_path / "cut" / DATABASE_FILE
    path.write_bytes(path.read_bytes()[:-6000])
    with pytest.raises(DamagedError, match="SQLite says"):
        StudyDatabase(tmp_path / "cut")


def test_a_locked_database_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hf_mplm.transfer.study import database as module

    _plan(tmp_path)
    monkeypatch.setattr(module, "_BUSY_SECONDS", 0.1)
    holder = sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with StudyDatabase(tmp_path) as database, pytest.raises(OSError, match="locked by another program"):
        database.claim("me:1:a")
    holder.execute("ROLLBACK")
    holder.close()


def test_a_unit_that_lacks_a_target_is_not_done(tmp_path: Path) -> None:
    class Gappy(Planted):
        def run(self, unit: Unit) -> list[CellScore]:
            scores = super().run(unit)
            return [one for one in scores if one.target != "tha_Thai"] if unit.repeat == 1 else scores

    _plan(tmp_path)
    assert run_units(tmp_path, Gappy(GIFTS)).failed == 3
    with StudyDatabase(tmp_path) as database:
        assert {error for _, error in database.failures()} == {"ValueError: no score of pos of tha_Thai"}


def test_a_unit_whose_file_is_lost_does_not_end_the_others(tmp_path: Path) -> None:
    class Lost(Planted):
        def run(self, unit: Unit) -> list[CellScore]:
            if unit.languages == ("deu_Latn",):
                raise FileNotFoundError("train.txt")
            return super().run(unit)

    _plan(tmp_path)
    done = run_units(tmp_path, Lost(GIFTS))
    assert (done.finished, done.failed) == (5, 2)


def test_a_full_disk_gives_the_unit_back_and_is_told(tmp_path: Path) -> None:
    _plan(tmp_path)
    rows = [CellScore("pos", f"target{i:05}" * 20, 1, "accuracy", 0.5, 1) for i in range(5000)]
    with StudyDatabase(tmp_path) as database:
        claim = database.claim("me:1:a")
        assert claim is not None
        (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
        database._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(OSError, match="No space left|free some space"):
            database.finish(claim, rows, 1.0)
        assert database.counts() == {"open": 6, "running": 1}
        database.give_back(claim)
        assert database.counts() == {"open": 7}


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_FILE
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(DamagedError, match="not a study's"):
            StudyDatabase(tmp_path, create=create)
    assert path.read_bytes() == before


def test_a_cluster_takes_over_what_a_dead_worker_of_this_machine_left(tmp_path: Path) -> None:
    import platform

    _plan(tmp_path)
    with StudyDatabase(tmp_path) as database:
        assert database.claim(f"{platform.node()}:4194305:a") is not None  # beyond the largest process number
        assert database.claim("elsewhere:1:b") is not None
    done = run_units_on_ray(tmp_path, planted, {"gifts": GIFTS}, engine="local")
    assert (done.taken_over, done.finished) == (1, 6)
    assert _states(tmp_path) == {"done": 6, "running": 1}
