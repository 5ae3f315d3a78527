from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import TrainerCallback

from hf_mplm.data.batches.held_out import HeldOutDataset
from hf_mplm.trainers import MaskedLMTrainer
from tests.trainers.helpers import CODES, largest_difference, make_args, make_rows, make_trainer, weights


class TakeGradients(TrainerCallback):
    """Keeps the gradients of the first optimizer step."""

    def __init__(self) -> None:
        self.gradients: dict[str, torch.Tensor] = {}

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        if not self.gradients:
            named = ((name, parameter.grad) for name, parameter in model.named_parameters())
            self.gradients = {name: grad.clone() for name, grad in named if grad is not None}


def gradients_of(model, tokenizer, folder, batch, accumulation, **settings):
    taken = TakeGradients()
    trainer = make_trainer(
        model,
        tokenizer,
        folder,
        callbacks=[taken],
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        max_steps=1,
        max_grad_norm=0.0,
        **settings,
    )
    trainer.train()
    return taken.gradients, trainer.state.log_history[0]["loss"]


@pytest.mark.parametrize("build", ["tiny_xlm_roberta", "tiny_bert", "tiny_modernbert"])
def test_gradients_do_not_depend_on_how_a_step_is_cut(build, tiny_tokenizer, tmp_path):
    import tests.fixtures as fixtures

    found = {}
    for batch, accumulation in [(8, 1), (4, 2), (2, 4)]:
        model = getattr(fixtures, build)(len(tiny_tokenizer))
        found[batch] = gradients_of(model, tiny_tokenizer, tmp_path, batch, accumulation)
    reference, loss = found[8]
    scale = max(float(gradient.abs().max()) for gradient in reference.values())
    assert scale > 0
    for batch in (4, 2):
        gradients, other_loss = found[batch]
        assert largest_difference(reference, gradients) < 1e-5 * scale
        assert other_loss == pytest.approx(loss, rel=1e-5)


def test_gradients_are_those_of_the_mean_over_all_masked_tokens(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    rows = make_rows(tiny_tokenizer)
    gradients, loss = gradients_of(tiny_xlm_roberta, tiny_tokenizer, tmp_path / "a", 2, 4, rows=rows)
    import tests.fixtures as fixtures

    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer)).train()
    trainer = make_trainer(model, tiny_tokenizer, tmp_path / "b", rows=rows, per_device_train_batch_size=2)
    batches = list(trainer.get_train_dataloader())[:4]
    counts = [int(batch["labels"].ne(-100).sum()) for batch in batches]
    assert len(set(counts)) > 1, "equal counts would not tell a mean of means from a mean"
    total = 0.0
    for batch in batches:
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        total = total + functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), reduction="sum")
    expected = total / sum(counts)
    expected.backward()
    own = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    scale = max(float(gradient.abs().max()) for gradient in own.values())
    assert largest_difference(own, gradients) < 1e-5 * scale
    assert loss == pytest.approx(expected.item(), rel=1e-5)


def test_no_masked_token_gives_zero_and_not_nan(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    before = weights(tiny_xlm_roberta)
    trainer = make_trainer(tiny_xlm_roberta, tiny_tokenizer, tmp_path, mask_rate="0.0", max_steps=2)
    trainer.train()
    assert [line["loss"] for line in trainer.state.log_history if "loss" in line] == [0.0, 0.0]
    assert largest_difference(before, weights(trainer.model)) == 0.0


def test_evaluating_during_training_changes_nothing(tiny_tokenizer, tmp_path):
    import tests.fixtures as fixtures

    results = {}
    for strategy in ("no", "steps"):
        model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer), hidden_dropout_prob=0.2)
        trainer = make_trainer(
            model, tiny_tokenizer, tmp_path / strategy, eval_strategy=strategy, eval_steps=1, max_steps=5
        )
        trainer.train()
        results[strategy] = weights(trainer.model)
    assert largest_difference(results["no"], results["steps"]) == 0.0


def test_drawing_in_an_evaluation_would_be_noticed(tiny_tokenizer, tmp_path, monkeypatch):
    """Without the guard the comparison of the test above must fail."""
    import contextlib

    import tests.fixtures as fixtures

    class Draw(TrainerCallback):
        def on_evaluate(self, args, state, control, **kwargs):
            torch.rand(3)

    results = {}
    for guarded in (True, False):
        model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer), hidden_dropout_prob=0.2)
        if not guarded:
            monkeypatch.setattr(
                "hf_mplm.trainers.base.trainer.preserve_training_state", lambda *_: contextlib.nullcontext()
            )
        trainer = make_trainer(
            model, tiny_tokenizer, tmp_path / str(guarded), callbacks=[Draw()], eval_strategy="steps", eval_steps=1
        )
        trainer.train()
        results[guarded] = weights(trainer.model)
    assert largest_difference(results[True], results[False]) > 0.0


def test_held_out_loss_is_per_language_and_token_weighted(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    trainer = make_trainer(tiny_xlm_roberta, tiny_tokenizer, tmp_path, per_device_eval_batch_size=3)
    metrics = trainer.evaluate()
    assert metrics == trainer.evaluate() | {
        key: metrics[key] for key in metrics if "runtime" in key or "per_second" in key
    }
    model, collator = tiny_xlm_roberta.eval(), trainer.data_collator.for_evaluation(mask_rate=0.15)
    sums, counts = dict.fromkeys(CODES, 0.0), dict.fromkeys(CODES, 0)
    for row in HeldOutDataset(trainer.eval_dataset):
        batch = collator([row])
        with torch.no_grad():
            logits = model(input_ids=batch["input_ids"]).logits
        code = CODES[row["language"]]
        sums[code] += float(functional.cross_entropy(logits[0], batch["labels"][0], reduction="sum"))
        counts[code] += int(batch["labels"].ne(-100).sum())
    seen = [code for code in CODES if counts[code]]
    assert len(seen) > 1
    for code in seen:
        assert metrics[f"eval_loss_{code}"] == pytest.approx(sums[code] / counts[code], rel=1e-5)
    assert metrics["eval_loss"] == pytest.approx(sum(sums.values()) / sum(counts.values()), rel=1e-5)
    macro = sum(metrics[f"eval_loss_{code}"] for code in seen) / len(seen)
    assert metrics["eval_loss_macro"] == pytest.approx(macro, rel=1e-6)


def test_the_log_counts_draws_tokens_and_terms(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    trainer = make_trainer(tiny_xlm_roberta, tiny_tokenizer, tmp_path, max_steps=6, logging_steps=2)
    seen, collate = [], trainer.data_collator

    def spy(features):
        seen.extend(feature["language"] for feature in features)
        return collate(features)

    trainer.data_collator = spy
    trainer.train()
    lines = [line for line in trainer.state.log_history if "loss" in line]
    assert [line["step"] for line in lines] == [2, 4, 6]
    for line in lines:
        assert line["mlm_loss"] == pytest.approx(line["loss"], rel=1e-5)
        assert line["tokens_per_second"] > 0
        assert sum(line[f"draws_{code}"] for code in CODES) == line["step"] * 4
        assert line["epoch"] == pytest.approx(line["step"] * 4 / 60)
    assert [lines[-1][f"draws_{code}"] for code in CODES] == [seen[:24].count(index) for index in range(len(CODES))]


def test_epochs_become_steps(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    trainer = make_trainer(tiny_xlm_roberta, tiny_tokenizer, tmp_path, max_steps=-1, num_train_epochs=0.5)
    assert trainer.args.max_steps == 8  # 60 rows / 2 / 4 in a step, rounded up
    assert trainer.train().global_step == 8


def test_a_loss_that_is_not_finite_stops_before_it_is_applied(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    class Poison(TrainerCallback):
        def on_step_begin(self, args, state, control, model=None, **kwargs):
            if state.global_step == 3:
                self.before = weights(model)
                model.lm_head.bias.data[5] = float("nan")
                self.before["lm_head.bias"] = model.lm_head.bias.detach().clone()

    poison = Poison()
    trainer = make_trainer(
        tiny_xlm_roberta,
        tiny_tokenizer,
        tmp_path,
        callbacks=[poison],
        max_steps=6,
        save_strategy="steps",
        save_steps=2,
    )
    with pytest.raises(ValueError, match="step 4 is not finite") as caught:
        trainer.train()
    assert "checkpoint-2" in str(caught.value) and "deu_Latn" in str(caught.value)
    after = weights(trainer.model)
    assert all(torch.equal(after[name], value) for name, value in poison.before.items() if name != "lm_head.bias")


def test_a_gradient_that_is_not_finite_stops_too(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    trainer = make_trainer(tiny_xlm_roberta, tiny_tokenizer, tmp_path)
    trainer.model.lm_head.bias.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(ValueError, match="gradient of step 1 is not finite.*there is no checkpoint yet"):
        trainer.train()


def test_every_trainable_weight_moves(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    before = weights(tiny_xlm_roberta)
    trainer = make_trainer(tiny_xlm_roberta, tiny_tokenizer, tmp_path, mask_rate="0.5", max_steps=3)
    trainer.train()
    still = [name for name, value in weights(trainer.model).items() if torch.equal(value, before[name])]
    assert still == []


def test_schedules_need_no_more_than_a_recipe_value(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    trainer = make_trainer(
        tiny_xlm_roberta,
        tiny_tokenizer,
        tmp_path,
        alpha='{"start": 1.0, "end": 0.0, "kind": "linear"}',
        mask_rate="[[0.0, 1.0], [0.5, 0.0]]",
        max_steps=10,
    )
    losses = [line["loss"] for line in trainer.train() and trainer.state.log_history if "loss" in line]
    assert all(losses[:5]) and not any(losses[5:])
    first, last = trainer._sampler.probabilities(0), trainer._sampler.probabilities(39)
    assert first == pytest.approx([0.6, 0.3, 0.1], abs=0.01) and last == pytest.approx([1 / 3] * 3, abs=0.02)


def test_arguments_of_another_class_are_refused(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    from transformers import TrainingArguments

    with pytest.raises(ValueError, match="needs MaskedLMTrainingArguments"):
        MaskedLMTrainer(
            tiny_xlm_roberta, TrainingArguments(output_dir=str(tmp_path)), train_dataset=make_rows(tiny_tokenizer)
        )


def test_arguments_that_are_not_honoured_are_refused(tmp_path):
    with pytest.raises(ValueError, match="label_smoothing_factor"):
        make_args(tmp_path, label_smoothing_factor=0.1)


def test_rows_without_language_are_refused(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    with pytest.raises(ValueError, match="ClassLabel"):
        make_trainer(
            tiny_xlm_roberta, tiny_tokenizer, tmp_path, rows=make_rows(tiny_tokenizer).remove_columns("language")
        )


def test_nothing_is_pickled_into_the_model_folder(tiny_xlm_roberta, tiny_tokenizer, tmp_path):
    trainer = make_trainer(tiny_xlm_roberta, tiny_tokenizer, tmp_path, max_steps=1)
    trainer.train()
    trainer.save_model()
    names = {path.name for path in Path(tmp_path).iterdir()}
    assert {"model.safetensors", "config.json", "training_args.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl"))]
    assert json.loads((tmp_path / "training_args.json").read_text())["mask_rate"] == "0.3"
