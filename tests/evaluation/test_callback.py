from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments

from hf_mplm.evaluation import callback as module
from hf_mplm.evaluation.callback import DownstreamEvaluationCallback, downstream_metrics
from hf_mplm.evaluation.results import make_row
from tests.fixtures import tiny_xlm_roberta


def train(folder, tokenizer, callbacks, **arguments):
    """A few steps with dropout and shuffling, both of which draw from the global random state."""
    model = tiny_xlm_roberta(len(tokenizer), hidden_dropout_prob=0.3)
    # A frozen part in evaluation mode must stay in it.
    model.roberta.embeddings.eval()
    rows = [{"input_ids": [0, 5 + n, 6 + n, 2], "labels": [-100, 5 + n, 6 + n, -100]} for n in range(12)]
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder),
            max_steps=6,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            learning_rate=1e-2,
            eval_strategy="steps",
            eval_steps=2,
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            **arguments,
        ),
        train_dataset=rows,
        eval_dataset=rows[:2],
        processing_class=tokenizer,
        data_collator=lambda batch: {key: torch.tensor([row[key] for row in batch]) for key in batch[0]},
        callbacks=callbacks,
    )
    trainer.train()
    return trainer


def state(trainer):
    weights = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
    return weights, torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()


def test_training_ends_bit_identical(sib_data, tiny_tokenizer, tmp_path):
    plain = state(train(tmp_path / "plain", tiny_tokenizer, [], seed=3))
    callback = DownstreamEvaluationCallback(["sib200", "flores"], sib_data)
    trainer = train(tmp_path / "measured", tiny_tokenizer, [callback], seed=3)
    measured = state(trainer)
    for name, weight in plain[0].items():
        assert torch.equal(weight, measured[0][name]), name
    assert torch.equal(plain[1], measured[1]) and plain[2:] == measured[2:]
    logged = [entry for entry in trainer.state.log_history if "eval_downstream_average" in entry]
    assert [entry["step"] for entry in logged] == [2, 4, 6]
    assert {"eval_sib200_macro_f1", "eval_flores_accuracy@10"} <= set(logged[0])


def test_without_protection_training_would_differ(sib_data, tiny_tokenizer, tmp_path):
    """The guard against a vacuous test above: drawing during an evaluation does change what follows."""

    class Careless(DownstreamEvaluationCallback):
        def on_evaluate(self, args, state, control, **kwargs):
            torch.rand(1)

    plain = state(train(tmp_path / "plain", tiny_tokenizer, [], seed=3))
    careless = state(train(tmp_path / "careless", tiny_tokenizer, [Careless(["sib200"], sib_data)], seed=3))
    assert any(not torch.equal(weight, careless[0][name]) for name, weight in plain[0].items())


def test_what_draws_inside_is_undone(sib_data, tiny_tokenizer, monkeypatch):
    def drawing(*args, **kwargs):
        torch.rand(3), random.random(), np.random.rand()
        return [make_row(task="sib200", language="swh_Latn", metric="macro_f1", value=0.5, n=1, model="m")]

    monkeypatch.setattr(module, "evaluate", drawing)
    model = tiny_xlm_roberta(len(tiny_tokenizer)).train()
    model.roberta.embeddings.eval()
    modes = [part.training for part in model.modules()]
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    scores = DownstreamEvaluationCallback(["sib200"], sib_data)._measure(model, tiny_tokenizer)
    assert scores == {"sib200_macro_f1": 0.5, "downstream_average": 0.5}
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), np.random.get_state()[1].tolist())
    assert modes == [part.training for part in model.modules()]


def test_the_average_chooses_the_checkpoint_and_stops(sib_data, tiny_tokenizer, tmp_path, monkeypatch):
    values = iter([0.3, 0.6, 0.1])
    monkeypatch.setattr(
        DownstreamEvaluationCallback, "_measure", lambda *_: {"downstream_average": next(values), "x_f1": 0.0}
    )
    trainer = train(
        tmp_path,
        tiny_tokenizer,
        [DownstreamEvaluationCallback(["sib200"], sib_data), EarlyStoppingCallback(early_stopping_patience=1)],
        metric_for_best_model="downstream_average",
        greater_is_better=True,
        load_best_model_at_end=True,
        save_strategy="steps",
        save_steps=2,
    )
    assert trainer.state.best_metric == 0.6
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-4")
    assert trainer.state.global_step == 6


def test_averages_are_over_languages_then_tasks():
    def row(task, metric, language, value):
        return make_row(
            task=task, language=language, metric=metric, value=value, n=1, model="m", source_language="eng_Latn"
        )

    rows = [
        row("sib200", "macro_f1", "swh_Latn", 0.2),
        row("sib200", "macro_f1", "tha_Thai", 0.4),
        row("sib200", "macro_f1", "eng_Latn", 0.9),
        row("sib200", "accuracy", "swh_Latn", 1.0),
        row("flores", "accuracy@1", "swh_Latn", 0.1),
        row("flores", "accuracy@10", "swh_Latn", 0.5),
    ]
    scores = downstream_metrics(rows)
    assert scores["sib200_macro_f1"] == pytest.approx(0.3)
    assert scores["downstream_average"] == pytest.approx((0.3 + 0.5) / 2)
    with pytest.raises(ValueError, match="no language but the source"):
        downstream_metrics(rows[2:3])


@pytest.mark.slow
def test_fine_tuning_runs_beside_training(sib_data, tiny_tokenizer):
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    fast = {"sib200": {"learning_rate": 1e-3, "num_train_epochs": 1, "batch_size": 14}}
    callback = DownstreamEvaluationCallback(
        ["sib200"], sib_data, languages=["swh_Latn"], transfer_setting="zero-shot", finetuning=fast
    )
    assert callback.beside == ["sib200"]
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    scores = callback._measure(model, tiny_tokenizer)
    assert set(scores) == {"sib200_macro_f1", "sib200_accuracy", "downstream_average"}
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
