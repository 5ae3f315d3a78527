"""Bases of all architectures, from the checkpoint to the scores of a tuned model; and questions with answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from hf_mplm.transfer.experiment import StudyExperiment
from hf_mplm.transfer.modules import TaskModule, adapt_encoder
from hf_mplm.transfer.settings import StudySettings
from hf_mplm.transfer.study.unit import Unit
from hf_mplm.transfer.tuning import Base
from tests.fixtures import tiny_bert, tiny_modernbert, tiny_xlm_roberta
from tests.transfer.world import World, build_world, train_modules


BACKEND = "peft"
TASKS = ["tydiqa", "pos"]


@pytest.fixture(scope="module", params=[tiny_bert, tiny_xlm_roberta, tiny_modernbert])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    architecture: Callable[..., object] = request.param
    found = build_world(tmp_path_factory.mktemp(architecture.__name__), architecture)
    train_modules(found, BACKEND, *TASKS)
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
    digest = experiment.base.digest
    shared = {weight.data_ptr() for weight in experiment.base.model.parameters()}
    own = [weight for name, weight in experiment.base.encoder.named_parameters() if not name.startswith("pooler.")]
    assert len(own) > 10 and all(weight.data_ptr() in shared for weight in own)
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


def test_a_module_of_questions_answers_as_it_did_when_it_was_trained(world: World) -> None:
    base = Base.load(world.base)
    module = TaskModule.load(world.modules(BACKEND) / "tydiqa", base.tokenizer, world.data)
    assert module.record.languages == {"eng_Latn": 19, "swh_Latn": 19}
    module.attach(adapt_encoder(base.encoder, BACKEND))

    def dev_scores() -> dict[str, float]:
        corpus = module.task.corpus(world.data)
        found = []
        with module.active():
            for code in module.record.languages:
                examples = corpus.examples(code, "dev")
                found.append(module.score(examples, module.features(examples), code).metrics)
        return {name: sum(metrics[name] for metrics in found) / len(found) for name in found[0]}

    assert dev_scores() == pytest.approx(module.record.metrics)

    def states() -> torch.Tensor:
        with module.active(), torch.no_grad():
            ids = torch.arange(10, 40)[None]
            return module.model(input_ids=ids, attention_mask=torch.ones_like(ids)).start_logits

    before = states()
    module.detach()
    again = TaskModule.load(world.modules(BACKEND) / "tydiqa", base.tokenizer, world.data)
    again.attach(adapt_encoder(Base.load(world.base).encoder, BACKEND))
    module = again
    assert torch.isfinite(before).all() and torch.equal(states(), before)


def test_an_encoder_that_adapters_changes_is_refused() -> None:
    pytest.importorskip("adapters", reason="the other stack has it")
    ids = torch.arange(8)[None]
    with torch.no_grad():
        before, after = (tiny_modernbert(300).base_model.eval() for _ in range(2))
        after.load_state_dict(before.state_dict())
        with pytest.raises(ValueError, match="changes what .*ModernBert.* computes .*--backend peft"):
            adapt_encoder(after, "adapters")
        # Vacuity guard: they are no longer the same, and of a BERT, which is taken, they are.
        assert not torch.allclose(before(input_ids=ids).last_hidden_state, after(input_ids=ids).last_hidden_state)
        kept = tiny_bert(300).base_model.eval()
        states = kept(input_ids=ids).last_hidden_state
        adapt_encoder(kept, "adapters")
        assert torch.equal(kept(input_ids=ids).last_hidden_state, states)
