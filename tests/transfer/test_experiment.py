"""What a unit of the grid gives: the same numbers alone and among others, whatever ran before."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from hf_mplm.data.store.token_store import load_store
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.transfer.experiment import StudyExperiment
from hf_mplm.transfer.interference import (
    LanguageAdapterSettings,
    combined_adapters,
    language_combinations,
    seed_fusion,
    train_fusion,
    train_language_adapter,
)
from hf_mplm.transfer.modules import TaskModule, adapt_encoder
from hf_mplm.transfer.settings import StudySettings
from hf_mplm.transfer.study.times import CellTimes
from hf_mplm.transfer.study.unit import Unit
from hf_mplm.transfer.study.units import make_units
from hf_mplm.transfer.tuning import Base, few_steps
from tests.transfer.world import BACKENDS, SIZES, World, build_world, train_modules


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest, world: World) -> str:
    """With modules of two tasks, and adapters of two languages."""
    train_modules(world, request.param, "sib200", "pos")
    base = Base.load(world.base)
    encoder = adapt_encoder(base.encoder, request.param)
    before = base.digest
    for code in ("eng_Latn", "swh_Latn"):
        folder = adapters(world, request.param) / code
        folder.mkdir(parents=True)
        settings = LanguageAdapterSettings(epochs=1, batch_size=4, max_length=32, learning_rate=5e-2)
        record = train_language_adapter(
            base, encoder, load_store(world.store), code, folder, settings, size=SIZES[request.param]
        )
        assert record.settings["steps"] > 2 and not encoder.names
    assert Base.load(world.base).digest == before
    return str(request.param)


def adapters(world: World, backend: str) -> Path:
    return world.folder / f"languages-{backend}"


def make(world: World, backend: str, **changes: object) -> StudyExperiment:
    settings = {
        "model": str(world.base),
        "modules": str(world.modules(backend)),
        "data_dir": str(world.data),
        "store": str(world.store),
        "tasks": ["sib200", "pos"],
        "steps": [1, 3],
        "batch_size": 4,
        "max_length": 32,
        "learning_rate": 1e-2,
        "language_adapters": str(adapters(world, backend)),
        "combinations": [1, 2],
        "fusion_steps": 3,
        **changes,
    }
    return StudyExperiment.from_settings(StudySettings(**settings))


def fusions(backend: str) -> list[str]:
    return ["average"] if backend == "peft" else ["average", "untrained", "trained"]


def units(backend: str) -> list[Unit]:
    pair = ("eng_Latn", "swh_Latn")
    return [
        Unit("baseline"),
        Unit("tuning", ("swh_Latn",), 1),
        Unit("combination", ("swh_Latn",)),
        *(Unit("combination", pair, fusion=fusion) for fusion in fusions(backend)),
    ]


def test_a_unit_alone_is_the_unit_within_a_run(world: World, backend: str) -> None:
    together = make(world, backend)
    digest = together.base.digest
    first = {unit: together.run(unit) for unit in units(backend)}
    # Once more, in another order, and each in an experiment of its own.
    for unit in reversed(units(backend)):
        assert together.run(unit) == first[unit]
        torch.manual_seed(99)
        assert make(world, backend).run(unit) == first[unit]
    together.base.restore()
    assert together.base.digest == digest
    assert together.encoder.names == ["task_sib200", "task_pos"]
    # The numbers are not all the same, so that equality says something.
    values = {unit: [cell.value for cell in cells] for unit, cells in first.items()}
    assert len({tuple(value[:4]) for value in values.values()}) > 2


def test_repeats_and_seeds_differ(world: World, backend: str) -> None:
    experiment = make(world, backend, tasks=["pos"])
    cells = [experiment.run(Unit("tuning", ("deu_Latn",), repeat)) for repeat in (0, 1)]
    assert cells[0] != cells[1]
    assert make(world, backend, tasks=["pos"], seed=7).run(Unit("tuning", ("deu_Latn",), 0)) != cells[0]


def test_a_target_does_not_depend_on_the_others(world: World, backend: str) -> None:
    unit = Unit("tuning", ("eng_Latn",), 0)
    everything = make(world, backend).run(unit)
    some = make(world, backend, targets=["swh_Latn"], tasks=["pos"]).run(unit)
    assert some == [cell for cell in everything if (cell.task, cell.target) == ("pos", "swh_Latn")]
    assert {cell.step for cell in some} == {1, 3}


def test_combinations_are_scored_on_their_own_languages(world: World, backend: str) -> None:
    cells = make(world, backend).run(Unit("combination", ("eng_Latn", "swh_Latn"), fusion="average"))
    assert {cell.target for cell in cells} == {"eng_Latn", "swh_Latn"}
    assert {cell.step for cell in cells} == {0}
    with pytest.raises(ValueError, match="no adapter of deu_Latn"):
        make(world, backend).run(Unit("combination", ("deu_Latn", "swh_Latn"), fusion="average"))


def test_the_average_is_the_mean_of_the_two(world: World, backend: str) -> None:
    base = Base.load(world.base)
    encoder = adapt_encoder(base.encoder, backend)
    folders = {code: adapters(world, backend) / code for code in ("eng_Latn", "swh_Latn")}
    ids = torch.arange(10, 24)[None]

    def states(*codes: str) -> torch.Tensor:
        with combined_adapters(encoder, folders, codes, "average") as name, encoder.active(name), torch.no_grad():
            return base.encoder.eval()(ids).last_hidden_state

    both, one, other = states("eng_Latn", "swh_Latn"), states("eng_Latn"), states("swh_Latn")
    assert not torch.equal(both, one) and not torch.equal(one, other)
    # Of one language with itself the average is that language.
    with combined_adapters(encoder, folders, ["eng_Latn"], "average") as name:
        encoder.load(folders["eng_Latn"], "again")
        twice = encoder.combine([name, "again"], "average")
        with encoder.active(twice), torch.no_grad():
            torch.testing.assert_close(base.encoder.eval()(ids).last_hidden_state, one)
        encoder.dissolve(twice)
        encoder.remove("again")
    assert not encoder.names


def test_training_a_fusion_changes_the_fusion_alone(world: World) -> None:
    pytest.importorskip("adapters")
    if not adapters(world, "adapters").is_dir():
        pytest.skip("its adapters are trained by the tests of that backend")
    base = Base.load(world.base)
    encoder = adapt_encoder(base.encoder, "adapters")
    codes = ("eng_Latn", "swh_Latn")
    folders = {code: adapters(world, "adapters") / code for code in codes}
    seed_fusion(1, codes)
    with combined_adapters(encoder, folders, codes, "trained") as name:
        fusion = set(encoder.weights(name))
        before = {key: weight.detach().clone() for key, weight in encoder.encoder.named_parameters()}
        losses = train_fusion(
            base,
            encoder,
            name,
            load_store(world.store),
            codes,
            steps=4,
            learning_rate=1e-2,
            batch_size=4,
            max_length=32,
            mask_rate=0.3,
            seed=1,
        )
        changed = {key for key, weight in encoder.encoder.named_parameters() if not torch.equal(weight, before[key])}
    assert len(losses) == 4 and len(fusion) > 4
    assert changed and changed <= fusion
    assert any("query" in key for key in changed) and any("value" in key for key in changed)
    base.restore()


def test_peft_refuses_what_it_cannot_join(world: World) -> None:
    if not adapters(world, "peft").is_dir():
        pytest.skip("its adapters are trained by the tests of that backend")
    with pytest.raises(ValueError, match="--fusion average"):
        make(world, "peft").run(Unit("combination", ("eng_Latn", "swh_Latn"), fusion="trained"))


def test_targets_languages_and_digests(world: World, backend: str) -> None:
    experiment = make(world, backend)
    assert experiment.targets() == {task: ["deu_Latn", "eng_Latn", "swh_Latn"] for task in ("sib200", "pos")}
    # A treebank without its text is refused by name, and is no zero.
    assert "fr_blank" in experiment.refused()["pos", "fra_Latn"]
    assert experiment.transfer_languages() == ["deu_Latn", "eng_Latn", "swh_Latn"]
    assert experiment.combination_languages() == ["eng_Latn", "swh_Latn"]
    digests = experiment.digests()
    assert {"base", "tokenizer", "store", "module pos", "language adapter swh_Latn", "test files pos"} <= set(digests)
    assert digests == make(world, backend).digests()
    with pytest.raises(MissingDataError, match="kor_Hang"):
        make(world, backend, targets=["kor_Hang"]).targets()
    with pytest.raises(MissingDataError, match="fr_blank"):
        make(world, backend, targets=["fra_Latn"], tasks=["pos"]).targets()
    with pytest.raises(ValueError, match="no text of kor_Hang"):
        make(world, backend, transfer_languages=["kor_Hang"]).transfer_languages()
    with pytest.raises(FileNotFoundError, match="train-task"):
        make(world, backend, tasks=["ner"]).targets()


def test_a_run_that_raises_gives_the_base_back(world: World, backend: str) -> None:
    experiment = make(world, backend, optimizer="sgd", learning_rate=1e30)
    before = experiment.run(Unit("baseline"))
    with pytest.raises(ArithmeticError):
        experiment.run(Unit("tuning", ("eng_Latn",), 0))
    assert experiment.run(Unit("baseline")) == before


def test_test_examples_can_be_fewer(world: World, backend: str) -> None:
    cells = make(world, backend, tasks=["sib200"], max_test_examples=5).run(Unit("baseline"))
    assert {cell.n for cell in cells} == {5}


def test_cells_are_timed_and_the_base_stays(world: World, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = make(world, backend, steps=[1, 3])
    before = experiment.run(Unit("baseline"))
    # A clock that only scores and steps move: a step takes 5 s, a target 2 s.
    now = 0.0
    made: list[str] = []

    def step(*parts: object) -> None:
        nonlocal now
        now += 5
        made.append("step")
        return few_steps_step(*parts)

    def score(module: TaskModule, *parts: object, **more: object) -> object:
        nonlocal now
        now += 2
        made.append("cell")
        return module_score(module, *parts, **more)

    few_steps_step, module_score = few_steps._step, TaskModule.score
    monkeypatch.setattr(few_steps, "_step", step)
    monkeypatch.setattr(TaskModule, "score", score)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert experiment.time_cells(4) == CellTimes(5.0, 2.0, 4)
    assert made == 3 * ["step"] + 4 * ["cell"]
    assert make(world, backend, steps=[]).time_cells(10) == CellTimes(0.0, 2.0, 6)
    monkeypatch.undo()
    assert experiment.run(Unit("baseline")) == before


def test_the_time_of_a_study_is_that_of_its_parts() -> None:
    units = make_units(["deu_Latn"], 2, combination_languages="ab", sizes=[1, 2], fusion=["trained", "average"])
    times = CellTimes(a_step=36.0, a_cell=3.6, cells=10)
    assert times.scoring_hours(500) == pytest.approx(0.5)
    assert times.tuning_hours(units, [1, 10], "constant", 100) == pytest.approx((2 * 10 + 100) / 100)
    assert times.tuning_hours(units, [1, 10], "paper", 100) == pytest.approx((2 * 11 + 100) / 100)


def test_how_many_combinations_there_are() -> None:
    codes = [f"l{number:02}" for number in range(38)]
    assert [len(language_combinations(codes, size)) for size in (1, 2, 3)] == [38, 703, 8436]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"steps": [0, 1]}, "steps"),
        ({"fusion": ["mean"]}, "fusion mean"),
        ({"combinations": [4]}, "sizes of 1, 2 and 3"),
        ({"combinations": [2], "language_adapters": None}, "--language_adapters"),
        ({"mask_rate": 1.5}, "mask_rate"),
        ({"tasks": []}, "tasks"),
        ({"repeats": 0}, "repeats"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object], why: str) -> None:
    settings = {"model": "m", "modules": "x", "data_dir": "d", "language_adapters": "a", **changes}
    with pytest.raises(ValueError, match=why):
        StudySettings(**settings)
