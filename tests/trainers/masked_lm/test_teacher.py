from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from hf_mplm.modeling import XLMRobertaForLangScriptMLM, load_masked_lm, masked_only
from hf_mplm.trainers import MaskedLMTrainer
from hf_mplm.trainers.base.predicted_stop import PredictedStopCallback
from hf_mplm.trainers.masked_lm.teacher import Teacher
from tests import fixtures

from ..helpers import CODES, largest_difference, make_args, make_rows, make_trainer, weights


@pytest.mark.parametrize("build", [fixtures.tiny_xlm_roberta, fixtures.tiny_bert, fixtures.tiny_modernbert])
def test_the_divergence_is_that_of_logits_at_masked_positions(build) -> None:
    """Against the two stock models' whole logits; the model has ten tokens more than the teacher knows."""
    teacher, model = masked_only(build(790, seed=1)), masked_only(build(800, seed=2))
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 790, (3, 12), generator=generator)
    labels = ids.masked_fill(torch.rand(ids.shape, generator=generator) < 0.7, -100)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    asked = Teacher(copy.deepcopy(teacher), 780)
    with asked.watching(model) as states:
        model(**inputs)
    found = asked.divergence(model, states[0], inputs)
    rest = {name: value for name, value in inputs.items() if name != "labels"}
    masked = labels.ne(-100)
    own = model(**rest).logits[masked][:, :780].log_softmax(-1)
    wanted = teacher(**rest).logits[masked][:, :780].log_softmax(-1)
    expected = functional.kl_div(own, wanted, reduction="sum", log_target=True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    found.backward()
    assert not any(parameter.requires_grad for parameter in asked.teacher.parameters())
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in model.base_model.parameters())


def test_what_is_distilled_forgets_less(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    start = tmp_path / "start"
    fixtures.tiny_xlm_roberta(len(tiny_tokenizer)).save_pretrained(start)

    def forgotten(weight: float, **settings) -> tuple[float, dict]:
        model, before = load_masked_lm(start), load_masked_lm(start)
        trainer = MaskedLMTrainer(
            model,
            make_args(tmp_path / f"run-{weight}", max_steps=8, distill_weight=weight, **settings),
            train_dataset=make_rows(tiny_tokenizer),
            processing_class=tiny_tokenizer,
            teacher=Teacher(before) if weight else None,
        )
        trainer.train()
        ids = torch.tensor([make_rows(tiny_tokenizer, 1, seed=9)["input_ids"][0]])
        with torch.no_grad():
            logits = [one.eval()(input_ids=ids).logits.log_softmax(-1) for one in (model, before)]
        return float(functional.kl_div(*logits, reduction="sum", log_target=True)), weights(model)

    plain, _ = forgotten(0.0)
    kept, whole = forgotten(5.0)
    assert kept < 0.75 * plain
    # Cut into micro-batches, the step is the same.
    _, cut = forgotten(5.0, per_device_train_batch_size=2, gradient_accumulation_steps=2)
    assert largest_difference(whole, cut) < 1e-4


def langsamp(folder: Path, vocabulary: int, languages: list[str]) -> XLMRobertaForLangScriptMLM:
    """With tables that change what is predicted."""
    fixtures.tiny_xlm_roberta(vocabulary).save_pretrained(folder)
    model = XLMRobertaForLangScriptMLM.from_encoder(folder, languages=languages)
    with torch.no_grad():
        for table in (model.language_embeddings, model.script_embeddings):
            table.weight.normal_(generator=torch.Generator().manual_seed(len(table.weight)))
    return model


def first_divergence(model, teacher, tokenizer: PreTrainedTokenizerBase, folder: Path) -> float:
    """Of one step in all languages, before anything has been learned."""
    trainer = MaskedLMTrainer(
        model,
        make_args(folder, max_steps=1, per_device_train_batch_size=30, learning_rate=0.0, distill_weight=1.0),
        train_dataset=make_rows(tokenizer),
        processing_class=tokenizer,
        teacher=Teacher(copy.deepcopy(teacher)),
    )
    trainer.train()
    return next(entry["distillation_loss"] for entry in trainer.state.log_history if "distillation_loss" in entry)


def test_the_teacher_has_the_tables_of_its_languages(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """A start diverges from itself by nothing, in whatever order its tables are, and for languages that it lacks."""
    model = langsamp(tmp_path / "start", len(tiny_tokenizer), ["eng_Latn", *CODES[::-1]])
    assert abs(first_divergence(copy.deepcopy(model), model, tiny_tokenizer, tmp_path / "itself")) < 1e-5
    # Without its tables it is another model.
    bare = copy.deepcopy(model)
    for table in (bare.language_embeddings, bare.script_embeddings):
        torch.nn.init.zeros_(table.weight)
    assert first_divergence(copy.deepcopy(model), bare, tiny_tokenizer, tmp_path / "bare") > 1e-3
    # For a language that it lacks it adds nothing, and neither do new rows of zeros.
    few = langsamp(tmp_path / "few", len(tiny_tokenizer), CODES[1:])
    grown = copy.deepcopy(few)
    grown.add_languages(CODES)
    with torch.no_grad():
        for name in ("language_embeddings", "script_embeddings"):
            getattr(grown, name).weight[len(getattr(few, name).weight) :] = 0.0
    assert abs(first_divergence(grown, few, tiny_tokenizer, tmp_path / "grown")) < 1e-5


def test_a_teacher_is_needed(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="teacher=Teacher"):
        make_trainer(fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, distill_weight=1.0)


def test_a_run_that_ended_by_prediction_stays_at_its_end(
    tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed behind the checkpoint of its last step, before its model was saved."""
    monkeypatch.setattr(PredictedStopCallback, "is_over", lambda _self, _curve, step, _max: step >= 6)

    def make(output: str):
        model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
        return make_trainer(
            model,
            tiny_tokenizer,
            tmp_path / output,
            max_steps=12,
            stop_gain=0.01,
            eval_strategy="steps",
            eval_steps=1,
            save_strategy="steps",
            save_steps=1,
            lr_scheduler_type="constant",
        )

    whole = make("run")
    whole.train()
    assert whole.state.global_step == 6
    again = make("run")
    again.train(resume_from_checkpoint=True)
    assert again.state.global_step == 6
    assert largest_difference(weights(again.model), weights(whole.model)) == 0
    # One step before, it goes on to the same end.
    before = make("run")
    before.train(resume_from_checkpoint=tmp_path / "run" / "checkpoint-5")
    assert before.state.global_step == 6
    assert largest_difference(weights(before.model), weights(whole.model)) == 0


@pytest.mark.parametrize(("replayed", "left"), [(CODES[1:], CODES[:1]), (None, CODES), (CODES[0], CODES[1:])])
def test_a_stop_goes_by_the_languages_that_are_not_replayed(
    replayed, left: list[str], tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    trainer = make_trainer(
        fixtures.tiny_xlm_roberta(len(tiny_tokenizer)),
        tiny_tokenizer,
        tmp_path,
        stop_gain=0.01,
        eval_strategy="steps",
        eval_steps=1,
        replay_languages=replayed,
    )
    (stop,) = [one for one in trainer.callback_handler.callbacks if isinstance(one, PredictedStopCallback)]
    assert stop.languages == left


def test_a_stop_needs_held_out_losses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="eval_strategy steps"):
        make_args(tmp_path, stop_gain=0.1)
