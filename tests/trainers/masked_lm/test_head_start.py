from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from hf_mplm.modeling import load_masked_lm
from hf_mplm.modeling.new_head import head_parameters
from hf_mplm.trainers.masked_lm.head_start import count_tokens
from tests.fixtures import tiny_xlm_roberta

from ..helpers import largest_difference, make_rows, make_trainer, weights


@pytest.fixture
def headless(tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase) -> Path:
    folder = tmp_path / "encoder"
    tiny_xlm_roberta(len(tiny_tokenizer)).base_model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


def test_tokens_are_counted_in_every_column(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    rows = make_rows(tiny_tokenizer, 9)
    pairs = rows.add_column("romanized_input_ids", [[5, 5, 7]] * 9)
    wanted = torch.bincount(torch.tensor([index for row in rows["input_ids"] for index in row] + [5, 5, 7] * 9))
    assert torch.equal(count_tokens(pairs), wanted)
    # Rows that were selected, of which Arrow holds more.
    assert int(count_tokens(pairs.select([3])).sum()) == len(pairs[3]["input_ids"]) + 3


def test_the_bias_is_that_of_the_training_text(
    headless: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    model = load_masked_lm(headless, new_head=True)
    rows = make_rows(tiny_tokenizer)
    trainer = make_trainer(model, tiny_tokenizer, tmp_path / "run", rows=rows, max_steps=1)
    bias = model.get_output_embeddings().bias
    special = set(tiny_tokenizer.all_special_ids)
    ordinary = [index for row in rows["input_ids"] for index in row if index not in special]
    common = max(set(ordinary), key=ordinary.count)
    total = len(ordinary) + len(bias)
    assert math.isclose(bias[common].exp().item(), (ordinary.count(common) + 1) / total, rel_tol=1e-5)
    assert math.isclose(bias[tiny_tokenizer.eos_token_id].exp().item(), 1 / total, rel_tol=1e-5)
    trainer.train()
    trainer.save_finished()
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "LM head: new: transform at the identity" in card and "in the training text" in card


def test_a_model_with_its_head_is_told_nothing_of(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    before = model.get_output_embeddings().bias.clone()
    trainer = make_trainer(model, tiny_tokenizer, tmp_path / "run")
    assert torch.equal(model.get_output_embeddings().bias, before) and "lm_head" not in trainer.card_facts()


def test_the_encoder_stays_as_it_is_while_the_head_warms_up(
    headless: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    def train(steps: int, warm: int, output: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        model = load_masked_lm(headless, new_head=True)
        settings = {"max_steps": steps, "head_warmup_steps": warm, "weight_decay": 0.1}
        trainer = make_trainer(model, tiny_tokenizer, tmp_path / output, lr_scheduler_type="constant", **settings)
        head = {id(parameter) for parameter in head_parameters(model)}
        before = weights(model)
        trainer.train()
        names = {name for name, parameter in model.named_parameters() if id(parameter) in head}
        after = weights(model)
        parts = [
            {n: v for n, v in tensors.items() if (n in names) == wanted}
            for wanted in (True, False)
            for tensors in (before, after)
        ]
        return (parts[0], parts[1]), (parts[2], parts[3])

    head, encoder = train(3, 3, "warm")
    assert largest_difference(*head) > 0 and largest_difference(*encoder) == 0
    # Vacuity guards: without a warm-up, and one step after it, the encoder moves.
    assert largest_difference(*train(3, 0, "cold")[1]) > 0
    assert largest_difference(*train(4, 3, "warmed")[1]) > 0


def test_a_warmup_goes_on_where_it_stopped(
    headless: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """Killed before, at and behind the end of the warm-up: the optimizer has no state of the encoder there."""

    def trainer(output: str, **settings):
        model = load_masked_lm(headless, new_head=True)
        return make_trainer(
            model, tiny_tokenizer, tmp_path / output, max_steps=4, head_warmup_steps=2, save_steps=1, **settings
        )

    whole = trainer("whole")
    whole.args.save_strategy = "no"
    whole.train()
    steps = trainer("steps", save_strategy="steps")
    steps.train()
    for step in (1, 2, 3):
        resumed = trainer("steps", save_strategy="steps")
        resumed.train(resume_from_checkpoint=tmp_path / "steps" / f"checkpoint-{step}")
        assert largest_difference(weights(resumed.model), weights(whole.model)) == 0
        assert resumed.card_facts()["lm_head"] == whole.card_facts()["lm_head"]


def test_accumulated_and_clipped_gradients_are_of_the_head_alone(
    headless: Path, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """The norm that gradients are clipped to has nothing of the encoder's in it."""

    def run(output: str, **settings):
        model = load_masked_lm(headless, new_head=True)
        made = make_trainer(
            model, tiny_tokenizer, tmp_path / output, max_steps=2, head_warmup_steps=2, max_grad_norm=0.01, **settings
        )
        made.train()
        return weights(model), [entry["grad_norm"] for entry in made.state.log_history if "grad_norm" in entry]

    one, norms = run("one")
    two, _ = run("two", per_device_train_batch_size=2, gradient_accumulation_steps=2)
    assert largest_difference(one, two) < 1e-5
    # Vacuity guard.
    model = load_masked_lm(headless, new_head=True)
    full = make_trainer(model, tiny_tokenizer, tmp_path / "full", max_steps=1, max_grad_norm=0.01)
    full.train()
    assert next(entry["grad_norm"] for entry in full.state.log_history if "grad_norm" in entry) > norms[0] * 1.01


def test_nothing_to_warm_up_and_negative_steps_are_refused(
    tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    for parameter in head_parameters(model):
        parameter.requires_grad_(False)
    with pytest.raises(ValueError, match="trains nothing"):
        make_trainer(model, tiny_tokenizer, tmp_path, head_warmup_steps=2)
    with pytest.raises(ValueError, match="head_warmup_steps"):
        make_trainer(model, tiny_tokenizer, tmp_path, head_warmup_steps=-1)
