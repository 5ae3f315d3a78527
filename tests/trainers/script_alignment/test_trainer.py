from __future__ import annotations

import contextlib
import json
import logging

import pytest
import torch
import transformers
from torch.nn import functional
from transformers import AutoModelForMaskedLM

import tests.fixtures as fixtures
from hf_mplm.data.batches.held_out import HeldOutDataset
from hf_mplm.data.batches.transliteration_collator import STREAMS
from hf_mplm.losses import gradient_cache
from hf_mplm.losses.gradient_cache import RandomState
from hf_mplm.losses.sequence_contrast import sequence_contrast_loss
from hf_mplm.losses.token_alignment import token_alignment_loss
from hf_mplm.modeling.segment_attention import SegmentAttention
from hf_mplm.trainers.script_alignment.arguments import ScriptAlignmentArguments
from tests.trainers.helpers import largest_difference, weights
from tests.trainers.masked_lm.test_trainer import TakeGradients

from .helpers import make_alignment_trainer, make_pairs


# The name that transformers 5 has for it, and the one of 4.57.
CHECKPOINTING = next(
    name
    for name in ("activation_checkpointing", "gradient_checkpointing")
    if name in ScriptAlignmentArguments.__dataclass_fields__
)
ARCHITECTURES = ["tiny_xlm_roberta", "tiny_bert", "tiny_modernbert"]


def gradients_of(model, tokenizer, folder, **settings):
    taken = TakeGradients()
    trainer = make_alignment_trainer(model, tokenizer, folder, callbacks=[taken], max_steps=1, **settings)
    trainer.train()
    return taken.gradients, trainer.state.log_history[0], trainer


def stock_losses(model, batch, layer: int = 1) -> dict[str, torch.Tensor]:
    """As the public code computes them: three forwards, each padded on its own, and the stock loss."""
    losses, pooled = {}, []
    for name, term in zip(STREAMS, ("mlm", "romanized_mlm", "tlm")):
        outputs = model(
            input_ids=batch[f"{name}_input_ids"],
            attention_mask=batch[f"{name}_attention_mask"],
            labels=batch[f"{name}_labels"],
            output_hidden_states=True,
        )
        losses[term] = outputs.loss
        if f"{name}_pool_mask" in batch:
            mask = batch[f"{name}_pool_mask"].unsqueeze(-1)
            pooled.append((outputs.hidden_states[layer] * mask).sum(1) / mask.sum(1))
    losses["seq"] = sequence_contrast_loss(*pooled).loss
    return losses


@pytest.mark.parametrize("pack", [True, False])
@pytest.mark.parametrize("build", ARCHITECTURES)
def test_one_forward_is_the_public_codes_three(build, pack, tiny_tokenizer, tmp_path):
    model = getattr(fixtures, build)(len(tiny_tokenizer))
    found, log, trainer = gradients_of(model, tiny_tokenizer, tmp_path, pack_texts=pack, learning_rate=0.0)
    batch = next(iter(trainer.get_train_dataloader()))
    assert ("packed_segments" in batch) == (pack and trainer._encoding.packs)
    stock = getattr(fixtures, build)(len(tiny_tokenizer)).train()
    assert type(stock).__module__.startswith("transformers")
    losses = stock_losses(stock, batch)
    for name, loss in losses.items():
        assert log[f"{name}_loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert log["loss"] == pytest.approx(sum(loss.item() for loss in losses.values()), rel=1e-5)
    sum(losses.values()).backward()
    wanted = {name: parameter.grad for name, parameter in stock.named_parameters() if parameter.grad is not None}
    scale = max(float(gradient.abs().max()) for gradient in wanted.values())
    assert found.keys() == wanted.keys() and scale > 0
    assert largest_difference(found, wanted) < 2e-5 * scale


@pytest.mark.parametrize("term", ["mlm", "romanized_mlm", "seq", "tlm"])
def test_every_weight_weighs_its_term(term, tiny_tokenizer, tmp_path):
    weights_of = dict.fromkeys(("mlm_weight", "romanized_mlm_weight", "seq_weight", "tlm_weight"), 0.0)
    settings = {**weights_of, f"{term}_weight": 2.5}
    found, log, trainer = gradients_of(
        fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, learning_rate=0.0, **settings
    )
    whole = gradients_of(fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, learning_rate=0.0)[
        2
    ]
    batch = next(iter(whole.get_train_dataloader()))
    stock = fixtures.tiny_xlm_roberta(len(tiny_tokenizer)).train()
    loss = 2.5 * stock_losses(stock, batch)[term]
    assert log["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert [name for name in log if name.endswith("_loss")] == [f"{term}_loss"]
    loss.backward()
    for name, parameter in stock.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-5)


def test_gradients_of_masked_lm_do_not_depend_on_how_a_step_is_cut(tiny_tokenizer, tmp_path):
    results = {}
    for batch, accumulation in [(8, 1), (2, 4)]:
        results[batch], log, _ = gradients_of(
            fixtures.tiny_xlm_roberta(len(tiny_tokenizer)),
            tiny_tokenizer,
            tmp_path,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulation,
            seq_weight=0.0,
        )
    scale = max(float(gradient.abs().max()) for gradient in results[8].values())
    assert largest_difference(results[8], results[2]) < 1e-5 * scale


@pytest.mark.parametrize("build", ["tiny_xlm_roberta", "tiny_modernbert"])
@pytest.mark.parametrize("pack", [True, False])
def test_cached_gradients_are_the_direct_ones(build, pack, tiny_tokenizer, tmp_path):
    found = {}
    for size in (None, 1, 3):
        found[size] = gradients_of(
            getattr(fixtures, build)(len(tiny_tokenizer)),
            tiny_tokenizer,
            tmp_path,
            cache_mini_batch_size=size,
            token_weight=0.3,
            pack_texts=pack,
        )
    scale = max(float(gradient.abs().max()) for gradient in found[None][0].values())
    for size in (1, 3):
        assert largest_difference(found[None][0], found[size][0]) < 2e-5 * scale
        for name in ("loss", "seq_loss", "mlm_loss", "tlm_loss"):
            assert found[size][1][name] == pytest.approx(found[None][1][name], rel=1e-5)
        assert found[size][1]["tokens_per_second"] > 0
    # Vacuity guard: small batches without the cache have fewer negatives.
    small, log, _ = gradients_of(
        getattr(fixtures, build)(len(tiny_tokenizer)),
        tiny_tokenizer,
        tmp_path,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=4,
        token_weight=0.3,
    )
    assert log["seq_loss"] < found[None][1]["seq_loss"] - 0.1
    assert largest_difference(found[None][0], small) > 1e-3 * scale


@pytest.mark.parametrize("replay", [True, False])
def test_the_second_pass_drops_out_what_the_first_did(replay, tiny_tokenizer, tmp_path, monkeypatch):
    dropout = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer), **dropout)
    trainer = make_alignment_trainer(model, tiny_tokenizer, tmp_path, max_steps=1, cache_mini_batch_size=3)
    seen = []
    real = trainer._representations

    def spy(*args):
        seen.append(real(*args))
        return seen[-1]

    monkeypatch.setattr(trainer, "_representations", spy)
    if not replay:
        monkeypatch.setattr(RandomState, "replayed", lambda self: contextlib.nullcontext())
    trainer.train()
    half = len(seen) // 2
    first, second = (sum(one["sentences"].detach() for one in part) for part in (seen[:half], seen[half:]))
    assert half > 1
    assert torch.allclose(first, second, atol=1e-6) == replay


def test_the_cache_leaves_the_random_state_to_later_steps(tiny_tokenizer, tmp_path):
    """Two runs with the cache are the same, and dropout differs from step to step."""
    results = []
    for _ in range(2):
        model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer), hidden_dropout_prob=0.2)
        trainer = make_alignment_trainer(model, tiny_tokenizer, tmp_path, max_steps=3, cache_mini_batch_size=3)
        trainer.train()
        results.append(weights(model))
    assert largest_difference(*results) == 0.0


WORDS_ALONE = {f"{name}_weight": 0.0 for name in ("mlm", "romanized_mlm", "seq", "tlm")} | {"token_weight": 2.0}


def make_pairs_of_words(tokenizer):
    """Pairs of three words, of two, and of one, which has nothing to be told from."""
    rows = make_pairs(tokenizer)
    texts = [("όλοι οι άνθρωποι", "oloi oi anthropoi"), ("στην αξιοπρέπεια", "stin axioprepeia"), ("και", "kai")]
    pairs = [[tokenizer(text)["input_ids"] for text in pair] for pair in texts] * 16
    rows = rows.remove_columns(["input_ids", "romanized_input_ids"])
    for name, side in (("input_ids", 0), ("romanized_input_ids", 1)):
        rows = rows.add_column(name, [pair[side] for pair in pairs])
    return rows


@pytest.mark.parametrize("cache", [None, 1])
def test_gradients_of_words_do_not_depend_on_how_a_step_is_cut(cache, tiny_tokenizer, tmp_path):
    results = []
    for batch, accumulation in [(8, 1), (2, 4), (1, 8)]:
        found, log, _ = gradients_of(
            fixtures.tiny_xlm_roberta(len(tiny_tokenizer)),
            tiny_tokenizer,
            tmp_path,
            rows=make_pairs_of_words(tiny_tokenizer),
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulation,
            cache_mini_batch_size=cache,
            **WORDS_ALONE,
        )
        results.append((found, log))
        assert [name for name in log if name.endswith("_loss")] == ["token_loss"]
    scale = max(float(gradient.abs().max()) for gradient in results[0][0].values())
    for found, log in results[1:]:
        assert log["token_loss"] == pytest.approx(results[0][1]["token_loss"], rel=1e-5)
        assert largest_difference(results[0][0], found) < 1e-5 * scale


def test_words_are_aligned_where_there_are_words(tiny_tokenizer, tmp_path):
    rows = make_pairs_of_words(tiny_tokenizer)
    settings = {**WORDS_ALONE, "learning_rate": 0.0}
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    _, log, trainer = gradients_of(model, tiny_tokenizer, tmp_path, rows=rows, **settings)
    batch = next(iter(trainer.get_train_dataloader()))
    stock = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    sides = []
    for name in STREAMS[:2]:
        outputs = stock(
            input_ids=batch[f"{name}_input_ids"],
            attention_mask=batch[f"{name}_attention_mask"],
            output_hidden_states=True,
        )
        words = batch[f"{name}_words"]
        sides.append(
            torch.stack([outputs.hidden_states[1][words == n].mean(0) for n in range(len(batch["word_labels"]))])
        )
    assert 0 < len(batch["word_labels"]) < 24
    expected = 2.0 * token_alignment_loss(*sides, batch["word_labels"], temperature=0.1)
    assert log["loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_pairs_with_nothing_to_pool_are_skipped_and_counted(tiny_tokenizer, tmp_path):
    rows = make_pairs(tiny_tokenizer).to_dict()
    for index in range(0, 48, 3):
        rows["romanized_input_ids"][index] = [tiny_tokenizer.bos_token_id, tiny_tokenizer.eos_token_id]
    rows = make_pairs(tiny_tokenizer).from_dict(rows, features=make_pairs(tiny_tokenizer).features)
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    trainer = make_alignment_trainer(
        model, tiny_tokenizer, tmp_path, rows=rows, max_steps=6, alpha="1.0", max_length=12
    )
    trainer.train()
    lines = [line for line in trainer.state.log_history if "loss" in line]
    empty = int((trainer._sampler.rows(0, 48) % 3 == 0).sum())
    assert sum(line["skipped_pairs"] for line in lines) == empty > 10
    assert sum(line["cut_pairs"] for line in lines) > 16
    assert all(torch.isfinite(value).all() for value in weights(model).values())


def test_no_pair_and_no_mask_give_zero_and_not_nan(tiny_tokenizer, tmp_path):
    empty = [tiny_tokenizer.bos_token_id, tiny_tokenizer.eos_token_id]
    rows = make_pairs(tiny_tokenizer)
    pairs = {"input_ids": [empty] * 48, "romanized_input_ids": [empty] * 48, "language": rows["language"]}
    rows = rows.from_dict(pairs, features=rows.features)
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    before = weights(model)
    for size in (None, 2):
        trainer = make_alignment_trainer(
            model, tiny_tokenizer, tmp_path, rows=rows, cache_mini_batch_size=size, token_weight=1.0
        )
        trainer.train()
        assert [line["loss"] for line in trainer.state.log_history if "loss" in line] == [0.0, 0.0]
        assert largest_difference(before, weights(model)) == 0.0


@pytest.mark.parametrize(
    ("build", "name"),
    list(zip(ARCHITECTURES, ["XLMRobertaForMaskedLM", "BertForMaskedLM", "ModernBertForMaskedLM"])),
)
def test_the_result_is_a_plain_checkpoint(build, name, tiny_tokenizer, tmp_path):
    model = getattr(fixtures, build)(len(tiny_tokenizer))
    trainer = make_alignment_trainer(model, tiny_tokenizer, tmp_path, save_strategy="steps", save_steps=1)
    trainer.train()
    trainer.save_model()
    for folder in (tmp_path, tmp_path / "checkpoint-1"):
        assert json.loads((folder / "config.json").read_text())["architectures"] == [name]
    loaded, report = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is getattr(transformers, name) and not report["missing_keys"]
    ids = torch.tensor([[0, 9, 8, 7, 2]])
    with torch.no_grad():
        assert torch.equal(loaded.eval()(input_ids=ids).logits, model.eval()(input_ids=ids).logits)
    _, report = transformers.AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]


def test_held_out_losses_are_those_of_the_terms(tiny_tokenizer, tmp_path):
    held = make_pairs(tiny_tokenizer, 10, seed=3)
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    # Whole numbers are weights, too.
    trainer = make_alignment_trainer(
        model,
        tiny_tokenizer,
        tmp_path,
        eval_dataset=held,
        seq_weight=0.5,
        mlm_weight=1,
        romanized_mlm_weight=1,
        tlm_weight=1,
    )
    metrics = trainer.evaluate()
    terms = ("mlm", "romanized_mlm", "tlm", "seq")
    assert metrics["eval_loss"] == pytest.approx(sum(metrics[f"eval_{term}_loss"] for term in terms), rel=1e-6)
    collator = trainer.data_collator.for_evaluation(mask_rate=0.15)
    batch = collator([*HeldOutDataset(held)])
    stock = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    with torch.no_grad():
        logits = stock(input_ids=batch["tlm_input_ids"], attention_mask=batch["tlm_attention_mask"]).logits
    wanted = functional.cross_entropy(logits.flatten(0, 1), batch["tlm_labels"].flatten())
    assert metrics["eval_tlm_loss"] == pytest.approx(wanted.item(), rel=1e-5)
    again = trainer.evaluate()
    assert again["eval_loss"] == metrics["eval_loss"]


def test_any_masked_lm_is_trained(tiny_tokenizer, tmp_path):
    """An architecture without a masked-only loss and without packing goes through its logits."""
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=130,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    model = transformers.RobertaForMaskedLM(config)
    copy = transformers.RobertaForMaskedLM(config)
    copy.load_state_dict(model.state_dict())
    _, log, trainer = gradients_of(model, tiny_tokenizer, tmp_path, learning_rate=0.0)
    losses = stock_losses(copy.train(), next(iter(trainer.get_train_dataloader())))
    for name, loss in losses.items():
        assert log[f"{name}_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_low_precision_is_low_precision(tiny_tokenizer, tmp_path):
    """The pooled layer is made in bfloat16, and not the whole encoder in single precision as in the published code."""
    seen = []
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    model.roberta.encoder.layer[0].output.dense.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    trainer = make_alignment_trainer(model, tiny_tokenizer, tmp_path, bf16=True, max_steps=1)
    trainer.train()
    assert set(seen) == {torch.bfloat16}
    exact = gradients_of(fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path)[1]
    assert trainer.state.log_history[0]["loss"] == pytest.approx(exact["loss"], rel=0.02)


def test_half_models_attend_in_their_own_precision(tiny_tokenizer, tmp_path):
    """What the mask adds to the scores must not widen them."""
    for implementation in ("eager", "sdpa"):
        model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer)).bfloat16()
        model.config._attn_implementation = implementation
        trainer = make_alignment_trainer(model, tiny_tokenizer, tmp_path, max_steps=1)
        assert trainer._encoding.implementation == implementation
        trainer.train()
        assert 0 < trainer.state.log_history[0]["loss"] < 100


# PEFT asks a model for it by the old name.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_adapters_of_peft_are_trained(tiny_tokenizer, tmp_path):
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    plain = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    model = get_peft_model(plain, LoraConfig(target_modules=["query", "value"], r=2))
    before = weights(model)
    trainer = make_alignment_trainer(model, tiny_tokenizer, tmp_path, max_steps=1)
    trainer.train()
    moved = {name for name, value in weights(model).items() if not torch.equal(value, before[name])}
    assert moved and all("lora_" in name for name in moved)
    # Adapters start as nothing, so that the first losses are the model's own.
    _, log, _ = gradients_of(fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path)
    for name in ("mlm_loss", "seq_loss", "tlm_loss"):
        assert trainer.state.log_history[0][name] == pytest.approx(log[name], rel=1e-5)


@pytest.mark.parametrize("build", ["tiny_xlm_roberta", "tiny_bert"])
def test_a_window_of_any_size_is_filled(build, tiny_tokenizer, tmp_path):
    """Rows are as wide as a multiple of 8, but not wider than the model."""
    room = {"max_position_embeddings": 23 if build == "tiny_xlm_roberta" else 21}
    model = getattr(fixtures, build)(len(tiny_tokenizer), **room)
    trainer = make_alignment_trainer(model, tiny_tokenizer, tmp_path)
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["packed_segments"].shape[1] == 21
    trainer.train()


@pytest.mark.parametrize("layer", [0, 2])
def test_the_first_and_the_last_layer_are_pooled_whole(layer, tiny_tokenizer, tmp_path):
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    _, log, trainer = gradients_of(model, tiny_tokenizer, tmp_path, layer=layer, learning_rate=0.0)
    stock = fixtures.tiny_xlm_roberta(len(tiny_tokenizer)).train()
    losses = stock_losses(stock, next(iter(trainer.get_train_dataloader())), layer)
    for name, loss in losses.items():
        assert log[f"{name}_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_lengths_are_those_of_both_texts(tiny_tokenizer, tmp_path):
    rows = make_pairs(tiny_tokenizer)
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    trainer = make_alignment_trainer(model, tiny_tokenizer, tmp_path, rows=rows, group_by_length=True)
    wanted = [len(row["input_ids"]) + len(row["romanized_input_ids"]) for row in rows]
    assert trainer.row_lengths().tolist() == wanted
    trainer.train()


def test_gradient_checkpointing_changes_nothing(tiny_tokenizer, tmp_path):
    plain, _, _ = gradients_of(fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path)
    found, _, trainer = gradients_of(
        fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, **{CHECKPOINTING: True}
    )
    scale = max(float(gradient.abs().max()) for gradient in plain.values())
    assert largest_difference(plain, found) < 1e-5 * scale
    # The second forward pass would drop out something else, were attention not the same in both.
    rows = trainer._rows(next(iter(trainer.get_train_dataloader())))
    assert isinstance(trainer._encoding.attention(rows), contextlib.nullcontext)


def test_attention_goes_text_by_text(tiny_tokenizer, tmp_path, monkeypatch):
    calls = []
    real = SegmentAttention._attend

    def spy(self, call):
        calls.append(call)
        return real(self, call)

    monkeypatch.setattr(SegmentAttention, "_attend", spy)
    for cache, passes in ((None, 2), (3, 3 + 2 * 3)):
        calls.clear()
        model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
        gradients_of(model, tiny_tokenizer, tmp_path, cache_mini_batch_size=cache, layer=1)
        # Two layers, and one in the pass without a graph, for each of three pieces.
        assert len(calls) == passes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mlm_weight": -1.0}, "weights must not be negative"),
        ({f"{name}_weight": 0.0 for name in ("mlm", "romanized_mlm", "seq", "tlm")}, "nor all 0"),
        ({"cache_mini_batch_size": 0}, "cache_mini_batch_size is 0"),
        (
            {CHECKPOINTING: True, f"{CHECKPOINTING}_kwargs": {"use_reentrant": True}},
            "use_reentrant=True",
        ),
    ],
)
def test_impossible_arguments_are_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        ScriptAlignmentArguments(output_dir=str(tmp_path), use_cpu=True, **settings)


def test_rows_that_are_no_pairs_and_layers_that_do_not_exist_are_refused(tiny_tokenizer, tmp_path):
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    rows = make_pairs(tiny_tokenizer).remove_columns("romanized_input_ids")
    with pytest.raises(ValueError, match="no column romanized_input_ids.*--romanize"):
        make_alignment_trainer(model, tiny_tokenizer, tmp_path, rows=rows)
    with pytest.raises(ValueError, match="max_length is 129.*positions for 128"):
        make_alignment_trainer(model, tiny_tokenizer, tmp_path, max_length=129)
    with pytest.raises(ValueError, match="layer 3 does not exist"):
        make_alignment_trainer(model, tiny_tokenizer, tmp_path, layer=3)


def test_one_language_is_trained_with_a_warning(tiny_tokenizer, tmp_path, caplog):
    from datasets import ClassLabel

    rows = make_pairs(tiny_tokenizer)
    rows = rows.remove_columns("language").add_column("language", [0] * len(rows))
    rows = rows.cast_column("language", ClassLabel(names=["deu_Latn"]))
    with caplog.at_level(logging.WARNING, logger="hf_mplm"):
        make_alignment_trainer(
            fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, rows=rows
        ).train()
    assert "all pairs are deu_Latn" in caplog.text and "Latin script already" in caplog.text


def test_a_device_whose_dropout_cannot_be_repeated_is_told_with_what_to_type(tiny_tokenizer, tmp_path, monkeypatch):
    trainer = make_alignment_trainer(
        fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, max_steps=1, cache_mini_batch_size=3
    )
    monkeypatch.setattr(gradient_cache, "_REPEATABLE", ("cuda",))
    with pytest.raises(ValueError, match="not on cpu; .*leave --cache_mini_batch_size out"):
        trainer.train()
