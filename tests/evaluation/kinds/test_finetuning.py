from __future__ import annotations

import pytest
import torch
from sklearn.metrics import f1_score

from hf_mplm.evaluation.benchmarks.sib200 import LABELS, TASK
from hf_mplm.evaluation.kinds.classification import LabelledText
from hf_mplm.evaluation.kinds.finetuning import FineTuningSettings, finetune, finetuning_settings, predict, with_seed
from hf_mplm.evaluation.kinds.probe import LinearProbe
from hf_mplm.evaluation.loading import load_model
from hf_mplm.evaluation.metrics.classification import accuracy, macro_f1
from hf_mplm.evaluation.runner import evaluate


FAST = {"learning_rate": 5e-3, "num_train_epochs": 2, "batch_size": 8, "gradient_accumulation_steps": 1}
SETTINGS = FineTuningSettings(learning_rate=1e-2, num_train_epochs=1, batch_size=8)


def tiny_classifier(folder, seed=0):
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(seed)
    return load_model(folder, AutoModelForSequenceClassification, num_labels=len(LABELS))


def tune(model, tokenizer, settings, examples, **kwargs):
    rows = TASK.features(examples, tokenizer, settings, train=True).rows
    return finetune(
        model,
        rows,
        settings,
        collate=lambda rows: TASK.collate(rows, tokenizer),
        loss=TASK.loss,
        count=TASK.count,
        **kwargs,
    )


def examples(n):
    return [LabelledText(f"{LABELS[i % 7]} says {'again ' * (i % 5)}{i}", i % 7) for i in range(n)]


@pytest.mark.parametrize("n", [16, 13])
def test_accumulation_gives_the_gradients_of_the_whole_batch(n, tiny_encoder_folder, tiny_tokenizer):
    """One update of plain gradient descent, so that the weights tell the gradients; 13 leaves a short last batch."""
    weights = {}
    for batch_size, accumulation in ((16, 1), (8, 2), (2, 8)):
        model = tiny_classifier(tiny_encoder_folder)
        settings = FineTuningSettings(
            learning_rate=1e-2,
            num_train_epochs=1,
            batch_size=batch_size,
            gradient_accumulation_steps=accumulation,
            max_grad_norm=0.0,
            lr_scheduler_type="constant",
            # With so large an epsilon AdamW's update is all but proportional to the gradient.
            adam_epsilon=1e4,
        )
        before = {name: weight.clone() for name, weight in model.state_dict().items()}
        assert tune(model, tiny_tokenizer, settings, examples(n))["steps"] == 1
        weights[batch_size] = {name: weight - before[name] for name, weight in model.state_dict().items()}
    name = "classifier.out_proj.weight"
    largest = weights[16][name].abs().max()
    assert largest > 0
    for batch_size in (8, 2):
        torch.testing.assert_close(weights[batch_size][name], weights[16][name], atol=1e-3 * float(largest), rtol=1e-3)


def test_the_schedule_counts_updates_rather_than_batches(tiny_encoder_folder, tiny_tokenizer):
    model = tiny_classifier(tiny_encoder_folder)
    settings = FineTuningSettings(learning_rate=1e-3, num_train_epochs=3, batch_size=4, gradient_accumulation_steps=2)
    assert tune(model, tiny_tokenizer, settings, examples(16))["steps"] == 6


def test_the_best_look_at_the_dev_set_is_kept_and_patience_ends_training(tiny_encoder_folder, tiny_tokenizer):
    model = tiny_classifier(tiny_encoder_folder)
    seen = []

    def score(tuned):
        seen.append({name: weight.clone() for name, weight in tuned.state_dict().items()})
        return {"macro_f1": [0.2, 0.7, 0.7, 0.6, 0.9][len(seen) - 1]}

    settings = FineTuningSettings(learning_rate=1e-3, num_train_epochs=5, batch_size=8, patience=2)
    outcome = tune(model, tiny_tokenizer, settings, examples(8), score=score, metric="macro_f1")
    assert outcome == {"steps": 4, "best": 0.7}
    kept = model.state_dict()["classifier.dense.weight"]
    torch.testing.assert_close(kept, seen[1]["classifier.dense.weight"], atol=0, rtol=0)
    assert not torch.equal(kept, seen[3]["classifier.dense.weight"])
    assert not model.training


def test_every_weight_that_is_used_moves(tiny_encoder_folder, tiny_tokenizer):
    model = tiny_classifier(tiny_encoder_folder)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    tune(model, tiny_tokenizer, SETTINGS, examples(8))
    still = {name for name, weight in model.named_parameters() if torch.equal(weight, before[name])}
    assert not still


def test_predictions_do_not_depend_on_batches(tiny_encoder_folder, tiny_tokenizer):
    model = tiny_classifier(tiny_encoder_folder)
    rows = TASK.features(examples(20), tiny_tokenizer, SETTINGS, train=False).rows
    longest = []

    def collate(rows):
        batch = TASK.collate(rows, tiny_tokenizer)
        longest.append(batch["input_ids"].shape[1])
        return batch

    few = predict(model, rows, collate=collate, decode=TASK.decode, tokens_per_batch=30)
    assert max(longest) == max(len(row["input_ids"]) for row in rows) < SETTINGS.max_length
    assert few == predict(model, rows, collate=collate, decode=TASK.decode)


def test_seeds_draw_the_head_and_repeat(sib_data, tiny_encoder_folder, monkeypatch):
    heads, tuned = [], []

    def spy(model, *args, **kwargs):
        heads.append(model.classifier.out_proj.weight.clone())
        outcome = finetune(model, *args, **kwargs)
        tuned.append(model.classifier.out_proj.weight.clone())
        return outcome

    monkeypatch.setattr("hf_mplm.evaluation.kinds.source_run.finetune", spy)
    first = evaluate(tiny_encoder_folder, "sib200", sib_data, seeds=[1, 2], finetuning={"sib200": FAST})
    again = evaluate(tiny_encoder_folder, "sib200", sib_data, seeds=[2], finetuning={"sib200": FAST})
    assert [row for row in first if row.seed == 2] == again
    assert torch.equal(heads[1], heads[2]) and torch.equal(tuned[1], tuned[2])
    assert not torch.equal(heads[0], heads[1])


def test_hyperparameters_come_from_the_recipe_and_the_user():
    assert finetuning_settings("sib200").learning_rate == 1e-5
    given = finetuning_settings("sib200", {"all": {"patience": 3, "batch_size": 4}, "sib200": {"batch_size": 2}})
    assert (given.patience, given.batch_size, given.num_train_epochs) == (3, 2, 40)
    assert with_seed(given, 7).seed == 7
    with pytest.raises(ValueError, match="learning_rat is none of learning_rate"):
        finetuning_settings("sib200", {"sib200": {"learning_rat": 1}})


def test_macro_f1_equals_scikit_learn():
    cases = [
        ([0, 1, 2, 2], [0, 1, 1, 2]),
        ([0, 0, 0], [0, 0, 0]),
        ([0, 0, 0], [1, 2, 3]),
        ([5, 6, 6], [5, 6, 1]),
        ([1, 0, 1, 0], [1, 1, 1, 1]),
    ]
    generator = torch.Generator().manual_seed(0)
    cases += [tuple(torch.randint(0, 7, (2, 30), generator=generator).tolist()) for _ in range(20)]
    for gold, predicted in cases:
        assert macro_f1(gold, predicted) == pytest.approx(f1_score(gold, predicted, average="macro", zero_division=0))
        assert accuracy(gold, predicted) == sum(map(int.__eq__, gold, predicted)) / len(gold)


def test_the_probe_finds_what_is_linear_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 10, generator=generator)
    vectors = torch.randn(600, 10, generator=generator) * 100 + 7
    labels = ((vectors - 7) @ weight.T).argmax(1).tolist()
    x = vectors.numpy()
    probe = LinearProbe.fit(x[:400], labels[:400], x[400:500], labels[400:500], num_labels=3, metric=macro_f1)
    assert accuracy(labels[500:], probe.predict(x[500:]).tolist()) > 0.9
    shuffled = [labels[(7 * i) % 600] for i in range(600)]
    probe = LinearProbe.fit(x[:400], shuffled[:400], x[400:500], shuffled[400:500], num_labels=3, metric=macro_f1)
    assert accuracy(shuffled[500:], probe.predict(x[500:]).tolist()) < 0.6
