from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from torch.nn import functional
from transformers import AutoModelForMaskedLM

import tests.fixtures as fixtures
from hf_mplm.data.batches.held_out import HeldOutDataset
from hf_mplm.losses import gradient_cache
from hf_mplm.losses.canonical_correlation import canonical_correlation_loss
from hf_mplm.losses.gradient_cache import RandomState
from hf_mplm.losses.subspace_alignment import subspace_alignment_loss
from hf_mplm.trainers.static_alignment.arguments import StaticAlignmentArguments
from tests.trainers.helpers import largest_difference, make_rows
from tests.trainers.masked_lm.test_trainer import TakeGradients

from .helpers import make_static_trainer, make_words


ARCHITECTURES = ["tiny_xlm_roberta", "tiny_bert", "tiny_modernbert"]
LOSSES = {
    "mse": functional.mse_loss,
    "dcca": lambda states, targets: canonical_correlation_loss(states, targets).loss,
    "subspace": lambda states, targets: subspace_alignment_loss(states, targets, batch_size=32),
}


def gradients_of(model, tokenizer, folder, **settings):
    taken = TakeGradients()
    trainer = make_static_trainer(model, tokenizer, folder, callbacks=[taken], max_steps=1, **settings)
    trainer.train()
    return taken.gradients, trainer.state.log_history[0], trainer


def plainly(model, trainer, loss: str, layer: int | None = None) -> dict[str, torch.Tensor]:
    """Text in one pass of the stock model, padded, and each word of the first step in a pass of its own."""
    collator = trainer.data_collator
    rows = next(iter(trainer.get_train_dataloader()))
    text = model(input_ids=rows["input_ids"], attention_mask=rows["attention_mask"], labels=rows["labels"])
    drawn = collator.words.draws(0, trainer.args.words_per_step)
    pooled = []
    for tokens, stands in zip(drawn.tokens, drawn.pooled):
        outputs = model.base_model(input_ids=torch.tensor(tokens[None].tolist()), output_hidden_states=True)
        # ModernBERT of transformers 4.57 has the last of `hidden_states` before its final norm.
        states = outputs.last_hidden_state if layer is None else outputs.hidden_states[layer]
        pooled.append(states[0][torch.from_numpy(stands)].mean(0))
    return {"mlm": text.loss, loss: LOSSES[loss](torch.stack(pooled), torch.from_numpy(drawn.targets))}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("build", ARCHITECTURES)
def test_one_forward_is_the_stock_models_two(build, loss, tiny_tokenizer, tmp_path):
    model = getattr(fixtures, build)(len(tiny_tokenizer))
    found, log, trainer = gradients_of(model, tiny_tokenizer, tmp_path, loss=loss)
    stock = getattr(fixtures, build)(len(tiny_tokenizer)).train()
    assert type(stock).__module__.startswith("transformers")
    losses = plainly(stock, trainer, loss)
    for name, value in losses.items():
        assert log[f"{name}_loss"] == pytest.approx(value.item(), rel=1e-4)
    sum(losses.values()).backward()
    wanted = {name: parameter.grad for name, parameter in stock.named_parameters() if parameter.grad is not None}
    scale = max(float(gradient.abs().max()) for gradient in wanted.values())
    assert found.keys() == wanted.keys() and scale > 0
    assert largest_difference(found, wanted) < 1e-4 * scale


@pytest.mark.parametrize("layer", [0, 1])
def test_words_are_pooled_at_any_layer_and_with_special_tokens(layer, tiny_tokenizer, tmp_path):
    for special in (False, True):
        model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
        settings = {"layer": layer, "pool_special_tokens": special, "loss": "mse"}
        _, log, trainer = gradients_of(model, tiny_tokenizer, tmp_path, **settings)
        stock = fixtures.tiny_xlm_roberta(len(tiny_tokenizer)).train()
        assert log["mse_loss"] == pytest.approx(plainly(stock, trainer, "mse", layer)["mse"].item(), rel=1e-5)


def test_words_go_with_the_text_and_the_head_sees_none(tiny_tokenizer, tmp_path):
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    seen: dict[str, list] = {"rows": [], "head": []}
    model.roberta.embeddings.register_forward_hook(lambda *call: seen["rows"].append(call[2].shape[:2]))
    model.lm_head.dense.register_forward_hook(lambda *call: seen["head"].append(call[2].flatten(0, -2).shape[0]))
    trainer = make_static_trainer(model, tiny_tokenizer, tmp_path, max_steps=1)
    trainer.train()
    batch = next(iter(trainer.get_train_dataloader()))
    assert seen["rows"] == [batch["packed_segments"].shape]
    assert seen["head"] == [int(batch["labels"].ne(-100).sum())]
    words = batch["word_attention_mask"].sum() + batch["attention_mask"].sum()
    assert batch["packed_segments"].ge(0).sum() == words > 0.9 * batch["packed_segments"].numel()


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_do_not_depend_on_how_a_step_is_cut(loss, tiny_tokenizer, tmp_path):
    results = {}
    for batch, accumulation in [(8, 1), (4, 2), (2, 4)]:
        results[batch] = gradients_of(
            fixtures.tiny_xlm_roberta(len(tiny_tokenizer)),
            tiny_tokenizer,
            tmp_path,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulation,
            loss=loss,
            align_weight=1.5,
        )
    scale = max(float(gradient.abs().max()) for gradient in results[8][0].values())
    for batch in (4, 2):
        assert largest_difference(results[8][0], results[batch][0]) < 1e-4 * scale
        for name in results[8][1]:
            if name.endswith(("loss", "chance")):
                assert results[batch][1][name] == pytest.approx(results[8][1][name], rel=1e-4)
    # Vacuity guard: the alignment is a part of these gradients that matters.
    alone, _, _ = gradients_of(
        fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, align_weight=0.0
    )
    assert largest_difference(results[8][0], alone) > 1e-2 * scale


def test_dcca_of_a_part_is_another_loss(tiny_tokenizer, tmp_path, monkeypatch):
    """Vacuity guard of the cache: the words of one micro-batch alone give other gradients."""
    settings = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    whole, _, trainer = gradients_of(
        fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, **settings
    )
    assert trainer._is_cached
    monkeypatch.setattr(
        "hf_mplm.trainers.static_alignment.alignment.StaticAlignment._in_order", lambda self, rows: rows
    )
    trainer = make_static_trainer(
        fixtures.tiny_xlm_roberta(len(tiny_tokenizer)),
        tiny_tokenizer,
        tmp_path,
        callbacks=[taken := TakeGradients()],
        max_steps=1,
        **settings,
    )
    trainer._is_cached = False
    trainer.train()
    scale = max(float(gradient.abs().max()) for gradient in whole.values())
    assert largest_difference(whole, taken.gradients) > 1e-2 * scale


@pytest.mark.parametrize("replay", [True, False])
def test_the_second_pass_drops_out_what_the_first_did(replay, tiny_tokenizer, tmp_path, monkeypatch):
    dropout = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer), **dropout)
    settings = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    trainer = make_static_trainer(model, tiny_tokenizer, tmp_path, max_steps=1, **settings)
    seen = []
    real = trainer._encode_apart

    def spy(inputs):
        seen.append(real(inputs))
        return seen[-1]

    monkeypatch.setattr(trainer, "_encode_apart", spy)
    if not replay:
        monkeypatch.setattr(RandomState, "replayed", lambda self: contextlib.nullcontext())
    trainer.train()
    assert len(seen) == 8 and not seen[0].requires_grad and seen[4].requires_grad
    same = [torch.allclose(first, second, atol=1e-6) for first, second in zip(seen[:4], seen[4:])]
    assert all(same) if replay else not any(same)


def test_chance_is_logged_beside_the_loss(tiny_tokenizer, tmp_path):
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    words = make_words()
    trainer = make_static_trainer(model, tiny_tokenizer, tmp_path, words, max_steps=4, logging_steps=2)
    trainer.train()
    lines = [line for line in trainer.state.log_history if "loss" in line]
    assert len(lines) == 2
    for line in lines:
        assert line["loss"] == pytest.approx(line["mlm_loss"] + line["dcca_loss"], rel=1e-4)
        # 64 words of 32 dimensions: vectors that mean nothing correlate as shuffled ones do.
        assert line["dcca_chance"] == pytest.approx(line["dcca_loss"], rel=0.1)


def test_words_that_can_be_learned_are_learned(tiny_tokenizer, tmp_path):
    """Vectors of words by what they begin with: the loss leaves chance behind."""
    words = make_words(6)
    keys = sorted({word[:1] for word in words.words})
    table = torch.randn(len(keys), 6, generator=torch.Generator().manual_seed(0))
    for place, word in enumerate(words.words):
        words.vectors[place] = table[keys.index(word[:1])]
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    settings = {"max_steps": 30, "learning_rate": 3e-3, "words_per_step": 128, "logging_steps": 5, "components": 6}
    trainer = make_static_trainer(model, tiny_tokenizer, tmp_path, words, **settings)
    trainer.train()
    first, *_, last = [line for line in trainer.state.log_history if "dcca_loss" in line]
    assert last["dcca_loss"] < first["dcca_loss"] - 0.3
    assert last["dcca_loss"] - last["dcca_chance"] < first["dcca_loss"] - first["dcca_chance"] - 0.3


def test_targets_meet_the_encoders_length(tiny_tokenizer, tmp_path):
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    trainer = make_static_trainer(
        model, tiny_tokenizer, tmp_path, loss="mse", target_scale="encoder", learning_rate=0.0, max_steps=1
    )
    trainer.train()
    stock = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    drawn = trainer.data_collator.words.draws(0, 64)
    pooled = torch.stack(
        [
            stock(input_ids=torch.tensor(tokens[None].tolist()), output_hidden_states=True)
            .hidden_states[-1][0][torch.from_numpy(stands)]
            .mean(0)
            for tokens, stands in zip(drawn.tokens, drawn.pooled)
        ]
    )
    length = pooled.norm(dim=1).mean().item()
    assert length > 2 and trainer._alignment.target_factor == pytest.approx(length, rel=1e-5)
    wanted = functional.mse_loss(pooled, torch.from_numpy(drawn.targets) * length).item()
    assert trainer.state.log_history[0]["mse_loss"] == pytest.approx(wanted, rel=1e-5)
    assert json.loads((tmp_path / "run.json").read_text())["target_factor"] == trainer._alignment.target_factor


def test_weights_weigh_and_leave_out(tiny_tokenizer, tmp_path):
    log = {}
    for mlm, align in [(1.0, 1.0), (0.0, 2.0), (3.0, 0.0)]:
        model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
        settings = {"loss": "mse", "mlm_weight": mlm, "align_weight": align}
        found, log[mlm, align], _ = gradients_of(model, tiny_tokenizer, tmp_path, **settings)
        # A weight that no term reaches has a gradient all the same, so that several processes agree.
        assert set(found) == {name for name, value in model.named_parameters() if value.requires_grad}
    assert log[0.0, 2.0]["mse_loss"] == pytest.approx(2 * log[1.0, 1.0]["mse_loss"], rel=1e-6)
    assert log[3.0, 0.0]["mlm_loss"] == pytest.approx(3 * log[1.0, 1.0]["mlm_loss"], rel=1e-6)
    assert [name for name in log[0.0, 2.0] if name.endswith("_loss")] == ["mse_loss"]
    assert [name for name in log[3.0, 0.0] if name.endswith("_loss")] == ["mlm_loss"]


def test_the_best_checkpoint_is_that_of_held_out_masked_lm(tiny_tokenizer, tmp_path):
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    trainer = make_static_trainer(
        model,
        tiny_tokenizer,
        tmp_path,
        eval_dataset=make_rows(tiny_tokenizer, 12, seed=1),
        max_steps=4,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        learning_rate=0.05,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
    )
    trainer.train()
    losses = {line["step"]: line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line}
    best = min(losses, key=losses.get)
    assert trainer.state.best_model_checkpoint.endswith(f"checkpoint-{best}") and losses[best] < losses[4] or best == 4
    assert trainer.evaluate()["eval_loss"] == pytest.approx(losses[best], rel=1e-6)
    # Held-out text alone, and the loss of masked LM alone.
    collator = trainer.data_collator.for_evaluation(mask_rate=0.15)
    batch = collator([*HeldOutDataset(make_rows(tiny_tokenizer, 12, seed=1))])
    assert not any(name.startswith("word_") for name in batch)
    with torch.no_grad():
        logits = model.eval()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    wanted = functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten()).item()
    assert losses[best] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("build", "name"),
    list(zip(ARCHITECTURES, ["XLMRobertaForMaskedLM", "BertForMaskedLM", "ModernBertForMaskedLM"])),
)
def test_the_result_is_a_plain_checkpoint(build, name, tiny_tokenizer, tmp_path):
    model = getattr(fixtures, build)(len(tiny_tokenizer))
    trainer = make_static_trainer(model, tiny_tokenizer, tmp_path, max_steps=1)
    trainer.train()
    trainer.save_finished()
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [name]
    loaded, report = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is getattr(transformers, name) and not report["missing_keys"]
    ids = torch.tensor([[0, 9, 8, 7, 2]])
    with torch.no_grad():
        assert torch.equal(loaded.eval()(input_ids=ids).logits, model.eval()(input_ids=ids).logits)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "Combining Static and Contextualised" in card and "words a step: 64" in card


@pytest.mark.parametrize("settings", [{}, {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}])
def test_any_masked_lm_is_trained(settings, tiny_tokenizer, tmp_path):
    """An architecture without packing has its words in a pass of their own, and the loss through its logits."""
    config = transformers.RobertaConfig(
        vocab_size=len(tiny_tokenizer),
        bos_token_id=0,
        eos_token_id=2,
        max_position_embeddings=130,
        type_vocab_size=1,
        **fixtures.TINY_SIZES,
        **fixtures.NO_DROPOUT,
    )
    torch.manual_seed(0)
    model = transformers.RobertaForMaskedLM(config)
    copy = transformers.RobertaForMaskedLM(config)
    copy.load_state_dict(model.state_dict())
    _, log, trainer = gradients_of(model, tiny_tokenizer, tmp_path, **settings)
    assert trainer.data_collator.pack is None
    assert log["dcca_loss"] == pytest.approx(plainly(copy.train(), trainer, "dcca")["dcca"].item(), rel=1e-4)


def test_low_precision_is_low_precision_and_dcca_is_not(tiny_tokenizer, tmp_path, monkeypatch):
    seen = []
    real = canonical_correlation_loss

    def spy(states, targets, **settings):
        seen.append(states.dtype)
        return real(states, targets, **settings)

    monkeypatch.setattr("hf_mplm.trainers.static_alignment.alignment.canonical_correlation_loss", spy)
    logs = []
    for accumulation in (1, 4):
        model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
        model.roberta.encoder.layer[0].output.dense.register_forward_hook(lambda *call: seen.append(call[2].dtype))
        settings = {"per_device_train_batch_size": 8 // accumulation, "gradient_accumulation_steps": accumulation}
        found, log, _ = gradients_of(model, tiny_tokenizer, tmp_path, bf16=True, **settings)
        logs.append((found, log))
    assert set(seen) == {torch.bfloat16, torch.float32}
    exact, log, _ = gradients_of(fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path)
    scale = max(float(gradient.abs().max()) for gradient in exact.values())
    for gradients, low in logs:
        assert low["dcca_loss"] == pytest.approx(log["dcca_loss"], rel=0.02)
        # The words' gradients are there, although a pass without a graph came before in the same precision.
        assert largest_difference(exact, gradients) < 0.1 * scale


CHECKPOINTING = next(
    name
    for name in ("activation_checkpointing", "gradient_checkpointing")
    if name in StaticAlignmentArguments.__dataclass_fields__
)


@pytest.mark.parametrize("settings", [{}, {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}])
def test_gradient_checkpointing_changes_nothing(settings, tiny_tokenizer, tmp_path):
    plain, _, _ = gradients_of(fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, **settings)
    more = {**settings, CHECKPOINTING: True}
    found, _, _ = gradients_of(fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, **more)
    scale = max(float(gradient.abs().max()) for gradient in plain.values())
    assert largest_difference(plain, found) < 1e-5 * scale


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mlm_weight": 0.0, "align_weight": 0.0}, "nor both be 0"),
        ({"loss": "cosine"}, "loss is 'cosine'; give mse or dcca or subspace"),
        ({"target_scale": "1"}, "target_scale is '1'"),
        ({"words_per_step": 66, "gradient_accumulation_steps": 4}, "give a multiple of 4"),
        ({"loss": "subspace", "words_per_step": 100}, "subspace_batch 64; the latter must"),
        ({"loss": "subspace", "words_per_step": 64, "subspace_batch": 16}, "must be 20 or more"),
        ({"components": 0}, "components is 0"),
        ({"ridge": -0.1}, "ridge -0.1"),
        ({"layer": -1}, "layer is -1"),
        ({"auto_find_batch_size": True}, "auto_find_batch_size is not taken"),
        ({CHECKPOINTING: True, f"{CHECKPOINTING}_kwargs": {"use_reentrant": True}}, "use_reentrant=True"),
    ],
)
def test_impossible_arguments_are_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        StaticAlignmentArguments(output_dir=str(tmp_path), use_cpu=True, **settings)


def test_what_does_not_fit_is_refused(tiny_tokenizer, tmp_path, caplog):
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    with pytest.raises(ValueError, match="vectors have 20 dimensions, the encoder 32; .* --loss dcca"):
        make_static_trainer(model, tiny_tokenizer, tmp_path, make_words(20), loss="mse")
    with pytest.raises(ValueError, match="give --words_per_step 40 or more"):
        make_static_trainer(model, tiny_tokenizer, tmp_path, words_per_step=32)
    make_static_trainer(model, tiny_tokenizer, tmp_path, words_per_step=40)
    # A step of 64 that draws the same few words again and again has no more of them.
    few = make_words(limit=36)
    blank = replace(few, vectors=np.where(np.arange(len(few))[:, None] < len(few) - 39, 0, few.vectors))
    assert len(few) > 40
    with pytest.raises(ValueError, match="39 words correlate whatever they are, .* the vectors of 40 words or more"):
        make_static_trainer(model, tiny_tokenizer, tmp_path, words=blank)
    make_static_trainer(model, tiny_tokenizer, tmp_path, words=blank, components=7)
    with pytest.raises(ValueError, match="layer 3 does not exist"):
        make_static_trainer(model, tiny_tokenizer, tmp_path, layer=3)
    arguments = StaticAlignmentArguments(output_dir=str(tmp_path), max_steps=1, use_cpu=True)
    with pytest.raises(ValueError, match="there are no words to align with.*--static"):
        from hf_mplm import StaticAlignmentTrainer

        StaticAlignmentTrainer(
            model, arguments, train_dataset=make_rows(tiny_tokenizer), processing_class=tiny_tokenizer
        )
    one = make_words()
    keep = one.labels == 0
    one = type(one)([w for w, k in zip(one.words, keep) if k], ["deu_Latn"], one.labels[keep], one.vectors[keep])
    with caplog.at_level(logging.WARNING, logger="hf_mplm"):
        make_static_trainer(model, tiny_tokenizer, tmp_path, one)
    assert "all words are deu_Latn" in caplog.text


def test_a_model_with_language_embeddings_is_trained(tiny_tokenizer, tmp_path):
    from hf_mplm import XLMRobertaForLangScriptMLM
    from tests.trainers.helpers import CODES

    fixtures.tiny_xlm_roberta(len(tiny_tokenizer)).save_pretrained(tmp_path / "start")
    logs = {}
    for align in (0.0, 1.0):
        torch.manual_seed(0)
        model = XLMRobertaForLangScriptMLM.from_encoder(tmp_path / "start", languages=CODES)
        _, logs[align], _ = gradients_of(model, tiny_tokenizer, tmp_path / "out", align_weight=align)
    # Packed, each text has its own language still.
    assert logs[1.0]["mlm_loss"] == pytest.approx(logs[0.0]["mlm_loss"], rel=1e-5)


def test_a_device_whose_dropout_cannot_be_repeated_is_told_with_what_to_type(tiny_tokenizer, tmp_path, monkeypatch):
    model, settings = fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), {"gradient_accumulation_steps": 4}
    trainer = make_static_trainer(model, tiny_tokenizer, tmp_path, per_device_train_batch_size=2, **settings)
    monkeypatch.setattr(gradient_cache, "_REPEATABLE", ("cuda",))
    with pytest.raises(ValueError, match="not on cpu; .*--gradient_accumulation_steps 1"):
        trainer.train()
