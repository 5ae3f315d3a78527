"""Bases of all architectures, from the checkpoint to the scores of a tuned model; and questions with answers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hf_mplm.transfer.experiment import StudyExperiment
from hf_mplm.transfer.modules import TaskModule, adapt_encoder
from hf_mplm.transfer.settings import StudySettings
from hf_mplm.transfer.study.unit import Unit
from hf_mplm.transfer.tuning import Base
from tests.fixtures import tiny_bert, tiny_modernbert, tiny_xlm_roberta
from tests.transfer.world import World, build_world, train_modules


BACKEND = "peft" if importlib.util.find_spec("peft") is not None else "adapters"
TASKS = ["tydiqa", "pos"]


@pytest.fixture(scope="module", params=[tiny_bert, tiny_xlm_roberta, tiny_modernbert])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    architecture: Callable[..., object] = request.param
    found = build_world(tmp_path_factory.mktemp(architecture.__name__), architecture)
    try:
        train_modules(found, BACKEND, *TASKS)
    except ValueError as error:
        # Not every architecture has places for bottlenecks; what is said then names the other library.
        assert BACKEND == "adapters" and "--backend peft" in str(error)
        pytest.skip(str(error))
    return found


def make(world: World, **changes: object) -> StudyExperiment:
    settings = {
        "model": str(world.base),
        "modules": str(world.modules(BACKEND)),
        "data_dir": str(world.data),
        "store": str(world.store),
        "tasks": TASKS,
        "steps": [1, 3],
        "batch_size": 4,
        "max_length": 32,
        "learning_rate": 1e-2,
        **changes,
    }
    return StudyExperiment.from_settings(StudySettings(**settings))


def test_a_base_of_any_architecture_is_tuned_scored_and_restored(world: World) -> None:
    experiment = make(world)
    digest, weights = experiment.base.digest, dict(experiment.base.model.named_parameters())
    shared = {weight.data_ptr() for weight in weights.values()}
    own = [weight for name, weight in experiment.base.encoder.named_parameters() if "pooler" not in name]
    assert sum(weight.data_ptr() in shared for weight in own) >= len(own) - sum("lora" in name for name in weights)
    unit = Unit("tuning", ("swh_Latn",), 0)
    before, found = experiment.run(Unit("baseline")), experiment.run(unit)
    assert {(cell.task, cell.target) for cell in found} == {
        *(("tydiqa", code) for code in ("eng_Latn", "swh_Latn")),
        *(("pos", code) for code in ("deu_Latn", "eng_Latn", "swh_Latn")),
    }
    # Tuning changes numbers, the base comes back, and the unit alone in another process's place is the same.
    scores = {(cell.task, cell.target, cell.metric): cell.value for cell in before}
    assert any(cell.value != scores[cell.task, cell.target, cell.metric] for cell in found if cell.step == 3)
    assert experiment.run(Unit("baseline")) == before
    assert Base.load(world.base).digest == digest
    assert make(world).run(unit) == found


def test_without_steps_at_a_rate_of_nothing_answers_stay(world: World) -> None:
    experiment = make(world, tasks=["tydiqa"], learning_rate=0.0)
    before = {(cell.target, cell.metric): cell.value for cell in experiment.run(Unit("baseline"))}
    for cell in experiment.run(Unit("tuning", ("eng_Latn",), 0)):
        assert before[cell.target, cell.metric] == cell.value


def test_questions_have_a_module_that_scores_as_it_was_trained(world: World, tmp_path: Path) -> None:
    base = Base.load(world.base)
    module = TaskModule.load(world.modules(BACKEND) / "tydiqa", base.tokenizer, world.data)
    assert module.record.languages == {"eng_Latn": 19, "swh_Latn": 19}
    module.attach(adapt_encoder(base.encoder, BACKEND))
    examples = module.task.corpus(world.data).examples("swh_Latn", "test")
    features = module.features(examples)
    with module.active():
        scores = module.score(examples, features, "swh_Latn")
    assert {"f1", "exact_match"} <= set(scores.metrics) and scores.n == 4
    with torch.no_grad():  # a damaged head answers otherwise
        for name, weight in module.model.named_parameters():
            if "qa_outputs" in name or "classifier" in name:
                weight.neg_()
    with module.active():
        assert module.score(examples, features, "swh_Latn") != scores
