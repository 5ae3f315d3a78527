"""Stop at a loss or gradient that is not finite, before the optimizer puts it into the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from .checkpoints import find_last_checkpoint


if TYPE_CHECKING:
    from .trainer import MplmTrainer


__all__ = ["FiniteGuardCallback", "NonFiniteLossError"]


class NonFiniteLossError(ValueError):
    """The loss or its gradient is NaN or infinite; the weights are still those of the step before."""


class FiniteGuardCallback(TrainerCallback):
    """Checks every optimizer step once, after the gradients of all ranks have met and before they are applied.

    The check reads one number from the device a step. Under fp16 the gradients are left to the loss scaler, which
    meets infinite ones by design and skips them; the loss is checked all the same.

    Args:
        trainer (`MplmTrainer`): whose losses and languages are looked at.
    """

    def __init__(self, trainer: MplmTrainer) -> None:
        self.trainer = trainer
        self._finite: list[torch.Tensor] = []
        self._languages: list[torch.Tensor] = []

    def note(self, loss: torch.Tensor, languages: torch.Tensor | None) -> None:
        """Remember a micro-batch until its optimizer step.

        Args:
            loss (`torch.Tensor`): the loss of the micro-batch. Shape: ().
            languages (`torch.Tensor`, *optional*): language of each row. Shape: (batch,).
        """
        self._finite.append(torch.isfinite(loss.detach()))
        if languages is not None:
            self._languages.append(languages)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Forget a step that was given up half-way, as when a batch size turns out too large."""
        self._finite, self._languages = [], []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Raise `NonFiniteLossError` on every rank if any rank met something that is not finite."""
        finite, self._finite = self._finite, []
        languages, self._languages = self._languages, []
        losses_are_finite = torch.stack(finite).all() if finite else torch.tensor(True, device=args.device)
        bad = torch.stack([~losses_are_finite, ~self._gradients_are_finite(losses_are_finite)]).float()
        accelerator = self.trainer.accelerator
        bad_losses, bad_gradients = accelerator.reduce(bad, reduction="sum").tolist()
        if not bad_losses and not bad_gradients:
            return
        names = "unknown"
        if languages:
            # Ranks may have noted different numbers of rows, which cannot be gathered.
            known = self.trainer.languages
            drawn = accelerator.reduce(torch.bincount(torch.cat(languages), minlength=len(known)), reduction="sum")
            names = ", ".join(name for name, count in zip(known, drawn.tolist()) if count)
        last = find_last_checkpoint(args.output_dir)
        resume = f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
        what = "loss" if bad_losses else "gradient"
        raise NonFiniteLossError(
            f"the {what} of step {state.global_step + 1} is not finite, and was not applied. Languages in the batch: "
            f"{names}; {resume}. Try a lower --learning_rate, --max_grad_norm 1.0 or --bf16 instead of --fp16, and "
            "look at the text of these languages"
        )

    def _gradients_are_finite(self, like: torch.Tensor) -> torch.Tensor:
        if self.trainer.accelerator.scaler is not None:
            return torch.ones_like(like)
        gradients = [parameter.grad for parameter in self.trainer.model.parameters() if parameter.grad is not None]
        if not gradients:
            return torch.ones_like(like)
        # A norm is finite exactly if its tensor is, or overflows, which is no better.
        return torch.isfinite(torch.stack(torch._foreach_norm(gradients))).all()
