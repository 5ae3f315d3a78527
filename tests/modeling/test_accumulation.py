"""How an optimizer step is cut into micro-batches changes nothing, in transformers' own Trainer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from hf_mplm.modeling import masked_only

from .models import VOCABULARY, Architecture


ROWS = 8
LENGTH = 12


def rows() -> list[dict[str, torch.Tensor]]:
    """Eight rows with one, two, ... eight masked tokens, of three languages."""
    generator = torch.Generator().manual_seed(3)
    made = []
    for row in range(ROWS):
        input_ids = torch.randint(4, VOCABULARY, (LENGTH,), generator=generator)
        labels = torch.full_like(input_ids, -100)
        labels[: row + 1] = input_ids[: row + 1]
        made.append({"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids), "labels": labels})
    return made


def with_languages(made: list[dict[str, torch.Tensor]]) -> list[dict[str, torch.Tensor]]:
    return [
        {**row, "language_ids": torch.tensor(number % 3), "script_ids": torch.tensor(number % 2)}
        for number, row in enumerate(made)
    ]


class _Gradients(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def gradients_of(model, made, folder: Path, batch: int, accumulation: int) -> dict[str, torch.Tensor]:
    """The gradients that the optimizer sees in a step of `batch` x `accumulation` rows."""
    model.zero_grad()
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        max_steps=1,
        learning_rate=0.0,
        max_grad_norm=0.0,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    seen = _Gradients()
    Trainer(model=model, args=arguments, train_dataset=made, callbacks=[seen]).train()
    return seen.found


@pytest.mark.parametrize("langscript", [True, False])
def test_8x1_4x2_and_2x4_give_the_same_gradients(architecture: Architecture, tmp_path: Path, langscript: bool) -> None:
    model = architecture.langscript(tmp_path) if langscript else masked_only(architecture.stock())
    made = with_languages(rows()) if langscript else rows()
    whole = gradients_of(model, made, tmp_path, 8, 1)
    # By hand, from the definition: the sum over all rows divided by their 1 + 2 + ... + 8 masked tokens.
    model.zero_grad()
    batch = {name: torch.stack([row[name] for row in made]) for name in made[0]}
    model(**batch, num_items_in_batch=36).loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(whole[name], parameter.grad, rtol=1e-4, atol=1e-6)
    for cut in ((4, 2), (2, 4)):
        for name, gradient in gradients_of(model, made, tmp_path, *cut).items():
            torch.testing.assert_close(gradient, whole[name], rtol=1e-4, atol=1e-6)


def test_a_mean_of_means_would_differ(architecture: Architecture) -> None:
    """Vacuity guard: with unequal numbers of masked tokens, averaging the micro-batches' means is another gradient."""
    model = masked_only(architecture.stock())
    made = rows()
    batch = {name: torch.stack([row[name] for row in made]) for name in made[0]}
    model(**batch).loss.backward()
    whole = model.get_input_embeddings().weight.grad.clone()
    model.zero_grad()
    for half in (slice(0, 4), slice(4, 8)):
        (model(**{name: value[half] for name, value in batch.items()}).loss / 2).backward()
    halves = model.get_input_embeddings().weight.grad
    assert (halves - whole).abs().max() > 0.02 * whole.abs().max()
