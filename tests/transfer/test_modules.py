"""Task modules: one interface on two libraries, above a base that stays as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_mplm.evaluation import get_task
from hf_mplm.evaluation.kinds.finetuning import predict
from hf_mplm.jobs.files import DamagedError
from hf_mplm.transfer.modules import TaskModule, adapt_encoder
from hf_mplm.transfer.tuning import Base
from tests.fixtures import tiny_bert
from tests.transfer.world import BACKENDS, World, attached, build_world, train_modules


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest, world: World) -> str:
    train_modules(world, request.param, "sib200", "pos", "parsing")
    return str(request.param)


@pytest.fixture
def base(world: World) -> Base:
    return Base.load(world.base)


def states(base: Base) -> torch.Tensor:
    ids = torch.arange(10, 40).reshape(2, 15)
    with torch.no_grad():
        return base.encoder.eval()(input_ids=ids).last_hidden_state


def test_attached_active_detached(world: World, backend: str, base: Base) -> None:
    before = states(base)
    module = attached(world, backend, "pos", base)
    assert torch.equal(states(base), before)
    with module.active():
        assert not torch.equal(states(base), before)
    assert torch.equal(states(base), before)
    module.detach()
    assert torch.equal(states(base), before)
    base.restore()


def test_what_was_written_scores_as_what_was_trained(world: World, backend: str, base: Base, tmp_path: Path) -> None:
    module = attached(world, backend, "sib200", base)
    examples = get_task("sib200").corpus(world.data).examples("deu_Latn", "test")
    features = module.features(examples)
    with module.active():
        scores = module.score(examples, features, "deu_Latn")
    module.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    module.detach()
    again = TaskModule.load(tmp_path, base.tokenizer, world.data)
    again.attach(adapt_encoder(Base.load(world.base).encoder, backend))
    with again.active():
        assert again.score(examples, features, "deu_Latn") == scores


def test_modules_in_one_encoder_do_not_see_one_another(world: World, backend: str, base: Base) -> None:
    examples = get_task("pos").corpus(world.data).examples("eng_Latn", "test")
    alone = attached(world, backend, "pos", Base.load(world.base))
    with alone.active():
        expected = alone.score(examples, alone.features(examples), "eng_Latn")
    encoder = adapt_encoder(base.encoder, backend)
    modules = {}
    for task in ("parsing", "pos", "sib200"):
        modules[task] = TaskModule.load(world.modules(backend) / task, base.tokenizer, world.data)
        modules[task].attach(encoder)
    with modules["pos"].active():
        assert modules["pos"].score(examples, alone.features(examples), "eng_Latn") == expected
    modules["sib200"].detach()
    with modules["pos"].active():
        assert modules["pos"].score(examples, alone.features(examples), "eng_Latn") == expected


@pytest.mark.parametrize("task", ["sib200", "pos", "parsing"])
def test_batches_predict_what_one_by_one_does(world: World, backend: str, base: Base, task: str) -> None:
    module = attached(world, backend, task, base)
    examples = get_task(task).corpus(world.data).examples("swh_Latn", "test")
    rows = module.features(examples).rows
    assert len({len(row["input_ids"]) for row in rows}) > 2

    def predictions(tokens_per_batch: int) -> list[object]:
        with module.active():
            found = predict(
                module.model,
                rows,
                collate=lambda batch: module.task.collate(batch, module.tokenizer),
                decode=module.task.decode,
                tokens_per_batch=tokens_per_batch,
            )
        return [getattr(each, "tolist", lambda each=each: each)() for each in found]

    assert predictions(1) == predictions(4096)


def test_training_leaves_the_base_as_it_is_and_is_repeatable(world: World, backend: str, tmp_path: Path) -> None:
    again = World(tmp_path)
    for name in ("base", "data", "store"):
        (tmp_path / name).symlink_to(world.folder / name)
    train_modules(again, backend, "sib200")
    first, second = (
        {path.name: load_file(path) for path in sorted((each.modules(backend) / "sib200").glob("*.safetensors"))}
        for each in (world, again)
    )
    assert first.keys() == second.keys() and first
    for name, tensors in first.items():
        assert all(torch.equal(tensor, second[name][key]) for key, tensor in tensors.items())
    record = json.loads((world.modules(backend) / "sib200" / "module.json").read_text())
    assert record["base"] == Base.load(world.base).digest
    assert record["languages"] == {"deu_Latn": 24, "eng_Latn": 24, "swh_Latn": 24}


def test_another_base_or_width_or_backend_is_refused(world: World, backend: str, tmp_path: Path) -> None:
    module = TaskModule.load(world.modules(backend) / "pos", Base.load(world.base).tokenizer, world.data)
    size = Base.load(world.base).encoder.config.vocab_size
    tiny_bert(size, seed=4).save_pretrained(tmp_path / "other")
    tiny_bert(size, hidden_size=48).save_pretrained(tmp_path / "wide")
    for name, why in (("other", "another base"), ("wide", "width 32")):
        module.tokenizer.save_pretrained(tmp_path / name)
        base = Base.load(tmp_path / name)
        with pytest.raises(ValueError, match=why):
            module.record.refuse_other(base.digest, base.encoder.config.hidden_size, "modules/pos")
    with pytest.raises(ValueError, match="width 32"):
        module.attach(adapt_encoder(base.encoder, backend))

    class Elsewhere(type(adapt_encoder(Base.load(world.base).encoder, backend))):  # type: ignore[misc]
        backend = "another"

    with pytest.raises(ValueError, match="--backend"):
        module.attach(Elsewhere(Base.load(world.base).encoder))


def test_damage_is_told(world: World, backend: str, base: Base, tmp_path: Path) -> None:
    folder = tmp_path / "pos"
    shutil.copytree(world.modules(backend) / "pos", folder)
    weights = next(path for path in folder.glob("adapter*.safetensors"))
    tensors = load_file(weights)
    weights.unlink()
    # A pickle in its place is not looked at.
    (folder / "pytorch_adapter.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    module = TaskModule.load(folder, base.tokenizer, world.data)
    with pytest.raises(DamagedError, match="safetensors"):
        module.attach(adapt_encoder(base.encoder, backend))
    save_file({key: tensor[..., :1].contiguous() for key, tensor in tensors.items()}, weights)
    module = TaskModule.load(folder, base.tokenizer, world.data)
    with pytest.raises(DamagedError):
        module.attach(adapt_encoder(Base.load(world.base).encoder, backend))
    (folder / "module.json").write_text("{}")
    with pytest.raises(ValueError, match="format"):
        TaskModule.load(folder, base.tokenizer, world.data)
    with pytest.raises(FileNotFoundError, match="train-task"):
        TaskModule.load(tmp_path / "none", base.tokenizer, world.data)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's own, on transformers 5
def test_a_folder_of_peft_is_what_peft_itself_reads(world: World, base: Base) -> None:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForSequenceClassification

    if not (world.modules("peft") / "sib200").is_dir():
        train_modules(world, "peft", "sib200")
    module = attached(world, "peft", "sib200", base)
    own = AutoModelForSequenceClassification.from_pretrained(world.base, num_labels=7, trust_remote_code=False)
    # The base was saved without a pooler, which `Base` draws once from a seed of its own.
    own.bert.pooler.load_state_dict(base.encoder.pooler.state_dict())
    theirs = peft.PeftModel.from_pretrained(own, world.modules("peft") / "sib200").eval()
    ids = torch.arange(10, 40).reshape(2, 15)
    with module.active(), torch.no_grad():
        torch.testing.assert_close(module.model(input_ids=ids).logits, theirs(input_ids=ids).logits)
