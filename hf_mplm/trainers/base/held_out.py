"""Held-out losses per language, the same on any number of processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput

from hf_mplm.data.batches.held_out import HeldOutDataset
from hf_mplm.data.batches.sampling import language_labels

from .samplers import HeldOutBatches


__all__ = ["HeldOutEvaluation"]


class HeldOutEvaluation(Trainer):
    """Evaluation of [`~hf_mplm.trainers.MplmTrainer`]: two sums a term and language, added up over ranks."""

    args: Any
    model: Any
    data_collator: Any
    languages: list[str]

    # ---- What a method may define ----

    def held_out_sums(
        self, model: torch.nn.Module, inputs: dict[str, Any]
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Sum and count of each term of the loss for a batch of one language; a mean over rows unless overridden.

        Args:
            model (`torch.nn.Module`): the model, in eval mode and without gradients.
            inputs (`dict`): the batch, on the model's device, bookkeeping included.

        Returns:
            `dict[str, tuple[torch.Tensor, torch.Tensor]]`: term to sum and count; their quotient over a language's
            batches is its held-out loss. Shapes: (), ().
        """
        rows = torch.tensor(float(len(inputs["language"])), device=self.args.device)
        self.current_gradient_accumulation_steps = 1
        _, terms = self.compute_loss(model, inputs, return_outputs=True)
        terms = {name: term for name, term in terms.items() if name != "loss"}
        return {name: (term / self.accelerator.num_processes * rows, rows) for name, term in terms.items()}

    def eval_collator(self) -> Any:
        """What makes batches of held-out rows: the collator's own `for_evaluation()`, whose masks never change."""
        return self.data_collator.for_evaluation()

    # ---- Trainer's hooks ----

    # Overridden because batches of one language, dealt to the ranks without padding, are not a sampler's business.
    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Held-out rows in batches of one language each, with masks that are the same every time and in every store.

        Args:
            eval_dataset (`str` or `datasets.Dataset`, *optional*): rows, or a name in the trainer's `eval_dataset`.

        Raises:
            ValueError: when nothing is held out.
        """
        rows: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        if isinstance(eval_dataset, str):
            rows = self.eval_dataset[eval_dataset]  # type: ignore[index]
        if rows is None:
            raise ValueError(
                "there is nothing held out to evaluate on: hf-mplm prepare --holdout 100, or pass eval_dataset="
            )
        batches = HeldOutBatches(
            language_labels(rows).tolist() * self.args.eval_mask_draws,
            self.args.eval_batch_size,
            rank=self.args.process_index,
            world_size=self.args.world_size,
        )
        return DataLoader(
            HeldOutDataset(rows, self.args.eval_mask_draws),
            batch_sampler=batches,
            collate_fn=self.eval_collator(),
            num_workers=self.args.dataloader_num_workers,
            generator=torch.Generator(),
        )

    # Overridden because Trainer's loop keeps logits and averages over batches; this needs two sums a language.
    def evaluation_loop(
        self,
        dataloader: DataLoader,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """The loss over everything held out, of each language, and the mean over languages."""
        device = self.args.device
        dtype = torch.float32 if device.type == "mps" else torch.float64
        sums: dict[str, torch.Tensor] = {}
        self.callback_handler.eval_dataloader = dataloader
        # Called without DDP: ranks have different numbers of batches, and there are no gradients to exchange.
        model = self.accelerator.unwrap_model(self.model)
        model.eval()
        with torch.no_grad(), self.accelerator.autocast():
            for batch in dataloader:
                language = int(batch["language"][0])
                for name, pair in self.held_out_sums(model, self._prepare_inputs(batch)).items():
                    table = sums.setdefault(name, torch.zeros(len(self.languages), 2, dtype=dtype, device=device))
                    table[language] += torch.stack([value.detach().to(dtype) for value in pair])
                self.control = self.callback_handler.on_prediction_step(self.args, self.state, self.control)
        totals = self._add_up(sums)
        return EvalLoopOutput(
            predictions=np.empty(0),
            label_ids=None,
            metrics=_losses(totals, self.languages, metric_key_prefix),
            num_samples=len(dataloader.dataset),  # type: ignore[arg-type]
        )

    def _add_up(self, sums: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        names = sorted(sums)
        if self.args.world_size > 1:
            # A rank without batches does not know the terms.
            known: list[Any] = [None] * self.args.world_size
            torch.distributed.all_gather_object(known, names)
            names = sorted(set().union(*known))
        empty = torch.zeros(
            len(self.languages), 2, dtype=next(iter(sums.values())).dtype if sums else torch.float64
        ).to(self.args.device)
        return {name: self.accelerator.reduce(sums.get(name, empty), reduction="sum").cpu() for name in names}


def _losses(totals: Mapping[str, torch.Tensor], languages: Sequence[str], prefix: str) -> dict[str, float]:
    """Metrics by name: `eval_loss`, `eval_loss_macro`, `eval_loss_CODE`, and of several terms `eval_TERM_loss`."""
    overall = {name: _quotient(table.sum(0)) for name, table in totals.items()}
    by_language = {
        code: sum(_quotient(table[index]) for table in totals.values())
        for index, code in enumerate(languages)
        if any(table[index, 1] > 0 for table in totals.values())
    }
    metrics = {f"{prefix}_loss": sum(overall.values())}
    if by_language:
        metrics[f"{prefix}_loss_macro"] = sum(by_language.values()) / len(by_language)
    if len(totals) > 1:
        metrics |= {f"{prefix}_{name}_loss": value for name, value in overall.items()}
    return metrics | {f"{prefix}_loss_{code}": value for code, value in by_language.items()}


def _quotient(pair: torch.Tensor) -> float:
    total, count = pair.tolist()
    return total / count if count else 0.0
