"""Few steps of masked LM: pure functions of seed and step, on a base that is given back bit for bit."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from hf_mplm.data.store.token_store import load_store
from hf_mplm.evaluation import get_task
from hf_mplm.modeling import BertForLangScriptMLM
from hf_mplm.transfer.tuning import Base, BaseChangedError, DivergedError, MaskedBatches, seed_of, tune
from tests.transfer.world import World, attached, build_world, train_modules


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def base(world: World) -> Base:
    return Base.load(world.base)


def batches(world: World, base: Base, number: int, seed: int = 1, **changes: object) -> MaskedBatches:
    settings = {"batch_size": 4, "max_length": 24, "mask_rate": 0.3, "expects_passes": 9, **changes}
    return MaskedBatches(
        load_store(world.store), ["swh_Latn"], base.tokenizer, num_batches=number, seed=seed, **settings
    )


def weights(base: Base) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in base.model.state_dict().items()}


def tuned(world: World, base: Base, steps: list[int], **changes: object) -> dict[int, dict[str, torch.Tensor]]:
    settings = {"schedule": "constant", "optimizer": "adamw", "learning_rate": 1e-2, "seed": 5, **changes}
    with base.lent():
        return {step: weights(base) for step in tune(base, batches(world, base, max(steps)), steps, **settings)}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(weight, other[name]) for name, weight in one.items())


def test_a_base_comes_back_bit_for_bit_with_modes_and_random_state(world: World, base: Base) -> None:
    before, draws = weights(base), []
    modes = [module.training for module in base.model.modules()]
    for touched in (False, True):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        if touched:
            with pytest.raises(KeyError), base.lent():
                for _ in tune(
                    base,
                    batches(world, base, 2),
                    [2],
                    schedule="constant",
                    optimizer="adamw",
                    learning_rate=0.1,
                    seed=1,
                ):
                    assert not same(weights(base), before)  # what restoring is for
                    random.random(), np.random.rand(), torch.rand(1)
                    raise KeyError
        draws.append((random.random(), np.random.rand(), float(torch.rand(1))))
    assert draws[0] == draws[1]
    assert same(weights(base), before)
    assert [module.training for module in base.model.modules()] == modes
    assert not any(weight.requires_grad or weight.grad is not None for weight in base.model.parameters())


def test_the_digest_notices_one_bit(base: Base) -> None:
    name = "bert.embeddings.word_embeddings.weight"
    base._kept[name][5, 3] = torch.nextafter(base._kept[name][5, 3], torch.tensor(9.0))
    with pytest.raises(BaseChangedError, match="start this process again"):
        base.restore()


def test_the_digest_is_of_the_weights_and_not_of_their_place_or_dtype(
    world: World, base: Base, tmp_path: Path
) -> None:
    halves = base.model.half().float()
    halves.save_pretrained(tmp_path / "float")
    halves.half().save_pretrained(tmp_path / "half")
    for name in ("float", "half"):
        base.tokenizer.save_pretrained(tmp_path / name)
    assert Base.load(tmp_path / "float").digest == Base.load(tmp_path / "half").digest != base.digest


def test_the_encoder_is_the_masked_lm_in_memory(world: World, base: Base) -> None:
    ids = torch.arange(10, 24)[None]
    before = base.encoder(input_ids=ids).last_hidden_state
    with base.lent():
        for _ in tune(
            base, batches(world, base, 1), [1], schedule="constant", optimizer="sgd", learning_rate=1.0, seed=1
        ):
            states = base.model.base_model(input_ids=ids).last_hidden_state
            assert torch.equal(base.encoder(input_ids=ids).last_hidden_state, states)
            assert not torch.equal(states, before)
    assert torch.equal(base.encoder(input_ids=ids).last_hidden_state, before)


def test_snapshots_are_what_separate_runs_of_that_length_give(world: World, base: Base) -> None:
    together = tuned(world, base, [1, 2, 4])
    for step, found in together.items():
        assert same(found, tuned(world, base, [step])[step])
    assert not same(together[1], together[2])


def test_the_papers_schedule_is_a_run_a_number_of_steps(world: World, base: Base) -> None:
    constant, paper = tuned(world, base, [1, 3]), tuned(world, base, [1, 3], schedule="paper")
    assert same(constant[1], paper[1])  # one step is made at the peak
    assert not same(constant[3], paper[3])
    assert same(paper[3], tuned(world, base, [3], schedule="paper")[3])


def test_what_happens_between_two_steps_does_not_matter(world: World, tmp_path: Path, base: Base) -> None:
    config = base.model.config
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.2
    base.model.save_pretrained(tmp_path)
    base.tokenizer.save_pretrained(tmp_path)
    with_dropout = Base.load(tmp_path)
    quiet = tuned(world, with_dropout, [4])[4]
    with with_dropout.lent():
        settings = {"schedule": "constant", "optimizer": "adamw", "learning_rate": 1e-2, "seed": 5}
        for step in tune(with_dropout, batches(world, with_dropout, 4), [1, 2, 4], **settings):
            torch.rand(7)
            with_dropout.encoder.eval()
            if step == 4:
                assert same(weights(with_dropout), quiet)
    assert not same(tuned(world, with_dropout, [4], seed=6)[4], quiet)


def test_a_batch_depends_on_no_other(world: World, base: Base) -> None:
    many, few = batches(world, base, 9), batches(world, base, 3)
    for key, value in few[2].items():
        assert torch.equal(value, many[2][key])
    assert not torch.equal(many[2]["input_ids"], many[3]["input_ids"])
    assert not torch.equal(many[2]["input_ids"], batches(world, base, 9, seed=2)[2]["input_ids"])
    assert many[0]["input_ids"].shape[1] == 24
    with pytest.raises(IndexError):
        few[3]


def test_a_seed_is_of_what_it_is_for() -> None:
    seeds = {seed_of(1, "tuning", "eng_Latn", repeat) for repeat in range(5)} | {seed_of(1, "tuning", "deu_Latn", 0)}
    assert len(seeds) == 6 and all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(1, "a", "bc") != seed_of(1, "ab", "c")


def test_rows_that_repeat_are_told(world: World, base: Base, caplog: pytest.LogCaptureFixture) -> None:
    batches(world, base, 2, expects_passes=1)
    assert "each comes" not in caplog.text
    batches(world, base, 100, expects_passes=1)
    assert "each comes" in caplog.text
    with pytest.raises(ValueError, match="no text of kor_Hang"):
        MaskedBatches(
            load_store(world.store),
            ["kor_Hang"],
            base.tokenizer,
            num_batches=1,
            batch_size=1,
            max_length=8,
            mask_rate=0.1,
            seed=1,
        )


def test_adams_first_step_moves_every_weight_by_the_learning_rate(world: World, base: Base) -> None:
    name, rate = "bert.encoder.layer.0.intermediate.dense.weight", 1e-3
    before = weights(base)[name]
    adam = (tuned(world, base, [1], learning_rate=rate)[1][name] - before).abs()
    sgd = (tuned(world, base, [1], learning_rate=rate, optimizer="sgd")[1][name] - before).abs()
    # Adam's epsilon keeps back weights whose gradient is as small as itself.
    assert ((adam > 0.98 * rate) & (adam < 1.001 * rate)).float().mean() > 0.95
    assert sgd.max() < rate / 2 and sgd.std() / sgd.mean() > 0.3


def test_divergence_is_an_error_and_the_base_comes_back(world: World, base: Base) -> None:
    with pytest.raises(DivergedError, match="lower it"):
        tuned(world, base, [4], optimizer="sgd", learning_rate=1e30)
    assert base.is_finite() and base.digest == Base.load(world.base).digest


def test_the_pooler_is_kept(world: World) -> None:
    train_modules(world, "peft", "xnli")
    base = Base.load(world.base)
    module = attached(world, "peft", "xnli", base)
    examples = get_task("xnli").corpus(world.data).examples("eng_Latn", "test")
    batch = module.task.collate(module.features(examples).rows, base.tokenizer)
    batch.pop("labels")

    def logits() -> torch.Tensor:
        with module.active(), torch.no_grad():
            return module.model.eval()(**batch).logits

    before = logits()
    settings = {"schedule": "constant", "optimizer": "adamw", "seed": 1}
    with base.lent():
        for _ in tune(base, batches(world, base, 2), [2], learning_rate=0.0, **settings):
            assert torch.equal(logits(), before)
    pooler = {name: weight.clone() for name, weight in base.encoder.pooler.state_dict().items()}
    with base.lent():
        for _ in tune(base, batches(world, base, 2), [2], learning_rate=1e-2, **settings):
            assert not torch.equal(logits(), before)
            assert same(base.encoder.pooler.state_dict(), pooler)
    # As the published code had it: a new pooler after tuning.
    torch.nn.init.normal_(base.encoder.pooler.dense.weight, std=0.02)
    assert not torch.equal(logits(), before)


def test_a_base_needs_its_head_and_langsamp_is_exported(world: World, base: Base, tmp_path: Path) -> None:
    base.encoder.save_pretrained(tmp_path / "headless")
    base.tokenizer.save_pretrained(tmp_path / "headless")
    with pytest.raises(ValueError, match="no masked-LM checkpoint"):
        Base.load(tmp_path / "headless")
    langsamp = BertForLangScriptMLM.from_encoder(world.base, languages=["eng_Latn", "swh_Latn"])
    torch.nn.init.normal_(langsamp.language_embeddings.weight)
    langsamp.save_pretrained(tmp_path / "langsamp")
    base.tokenizer.save_pretrained(tmp_path / "langsamp")
    exported = Base.load(tmp_path / "langsamp")
    assert exported.encoder.config.model_type == "bert"
    ids = torch.arange(10, 24)[None]
    assert torch.equal(exported.encoder(input_ids=ids).pooler_output, base.encoder(input_ids=ids).pooler_output)
    assert tuned(world, exported, [1])


def test_what_the_store_says_of_languages(tmp_path_factory: pytest.TempPathFactory) -> None:
    from hf_mplm.data.store.token_store import load_store
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
    from hf_mplm.transfer.findings.features import pair_features
    from hf_mplm.transfer.findings.store_text import StoreText

    world = build_world(tmp_path_factory.mktemp("text"))
    store, tokenizer = load_store(world.store), load_tokenizer(world.base)
    text = StoreText(store, tokenizer)
    rows = store.select("deu_Latn").train
    ids = [index for row in rows["input_ids"] for index in row if index not in tokenizer.all_special_ids]
    assert sum(text.tokens("deu_Latn").values()) == len(ids)
    assert text.words("deu_Latn") == sum(
        len(tokenizer.decode(row, skip_special_tokens=True).split()) for row in rows["input_ids"]
    )
    assert text.tokens("tha_Thai") == {} and text.words("tha_Thai") == 0
    same = pair_features("deu_Latn", "deu_Latn", text)
    assert same["token_overlap"] == pytest.approx(1.0)
    assert pair_features("deu_Latn", "swh_Latn", text)["token_overlap"] < 0.9
