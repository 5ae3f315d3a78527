from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from hf_mplm.jobs.progress import progress_bar

from ..encoder import default_device, default_tokens_per_batch, evaluation_mode, length_sorted_batches
from .hyperparameters import FineTuningSettings, finetuning_settings, with_seed


__all__ = ["FineTuner", "FineTuningSettings", "finetune", "finetuning_settings", "pad_rows", "predict", "with_seed"]

logger = logging.getLogger(__name__)

Row = dict[str, Any]
Batch = dict[str, Tensor]


class FineTuner(Trainer):
    """`transformers.Trainer` with a loss that is a mean over items, however they are split into batches.

    Stock sequence classifiers average within each forward pass, which weighs the items of a short last batch more and,
    on transformers 5, multiplies the gradients by the accumulation steps. Here the loss of an update is the sum over
    its items divided by their number.

    Args:
        loss (`Callable`): Takes the model and a batch and returns the sum of the losses of its items.
        count (`Callable`): Takes a batch and returns the number of its items.
        score (`Callable`, *optional*): Takes the model and returns its metrics on the dev set.
        **kwargs: For `Trainer`.
    """

    def __init__(
        self,
        *,
        loss: Callable[[nn.Module, Batch], Tensor],
        count: Callable[[Batch], int],
        score: Callable[[PreTrainedModel], dict[str, float]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.summed_loss, self.count, self.score = loss, count, score
        # The division by the number of items is done below, so that Trainer must not divide by accumulation steps.
        self.model_accepts_loss_kwargs = True

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> Tensor:
        # Overridden because the stock method counts only a key called `labels`, and on 5.23 not its first column.
        items = torch.tensor(sum(self.count(batch) for batch in batch_samples), device=device)
        return self.accelerator.gather(items).sum()

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Divide the summed loss of a forward pass by the items of the whole update.

        Args:
            model (`nn.Module`): The model, as Trainer wrapped it.
            inputs (`dict[str, Tensor]`): The batch.
            return_outputs (`bool`, *optional*, defaults to `False`): Whether to return an empty dictionary as well.
            num_items_in_batch (`Tensor`, *optional*): Items of the update over all batches and processes.

        Returns:
            `Tensor`: The loss.
        """
        items = num_items_in_batch if num_items_in_batch is not None else self.count(inputs)
        loss = self.summed_loss(model, inputs) / items
        # Gradients are averaged over processes, and the items above are already those of all of them.
        loss = loss * self.accelerator.num_processes
        return (loss, {}) if return_outputs else loss

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Score the dev set by the task's own metric, in batches sorted by length.

        Args:
            eval_dataset (*optional*): Not used; the dev set belongs to the scorer.
            ignore_keys (`list[str]`, *optional*): Not used.
            metric_key_prefix (`str`, *optional*, defaults to `"eval"`): Put before the names of the metrics.

        Returns:
            `dict[str, float]`: The metrics.
        """
        if self.score is None:
            return {}
        scores = self.score(self.accelerator.unwrap_model(self.model))
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in scores.items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class _BestWeights(TrainerCallback):
    """Keeps the best weights in memory, stops when nothing improves, and shows where training is."""

    def __init__(self, metric: str, patience: int | None, description: str, progress: bool) -> None:
        self.metric, self.patience = f"eval_{metric}", patience
        self.best: float | None = None
        self.weights: dict[str, Tensor] | None = None
        self.waited = 0
        self.bar = progress_bar(desc=description, unit="step", shown=progress, leave=False)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.reset(total=state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(1)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, model: Any = None, **kwargs: Any
    ) -> None:
        value = metrics[self.metric]
        # Strictly better, so that of equal looks the first is taken.
        if self.best is None or value > self.best:
            self.best, self.waited = value, 0
            self.weights = {name: weight.detach().to("cpu", copy=True) for name, weight in model.state_dict().items()}
        else:
            self.waited += 1
            if self.patience is not None and self.waited >= self.patience:
                control.should_training_stop = True
        self.bar.set_postfix({self.metric: f"{value:.3f}", "best": f"{self.best:.3f}"})
        logger.debug("step %d: %s %.4f, best %.4f", state.global_step, self.metric, value, self.best)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.close()


def finetune(
    model: PreTrainedModel,
    rows: Sequence[Row],
    settings: FineTuningSettings,
    *,
    collate: Callable[[Sequence[Row]], Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    count: Callable[[Batch], int],
    score: Callable[[PreTrainedModel], dict[str, float]] | None = None,
    metric: str = "",
    description: str = "fine-tuning",
    progress: bool = False,
) -> dict[str, Any]:
    """Fine-tune a model, and leave it with the weights that did best on the dev set.

    Args:
        model (`PreTrainedModel`): The model, changed in place.
        rows (`Sequence[dict]`): Tokenised training items.
        settings (`FineTuningSettings`): Hyper-parameters.
        collate (`Callable`): Makes a batch of rows, padded to the longest of them.
        loss (`Callable`): Takes the model and a batch and returns the summed loss of its items.
        count (`Callable`): Takes a batch and returns the number of its items.
        score (`Callable`, *optional*): Takes the model and returns its metrics on the dev set. Without it the last
            weights are kept.
        metric (`str`, *optional*, defaults to `""`): The metric by which to choose.
        description (`str`, *optional*, defaults to `"fine-tuning"`): What the progress bar says.
        progress (`bool`, *optional*, defaults to `False`): Whether to show a progress bar.

    Returns:
        `dict[str, Any]`: `steps` made, and the `best` dev score if there was one.
    """
    best = _BestWeights(metric, settings.patience, description, progress)
    with tempfile.TemporaryDirectory(prefix="hf-mplm-") as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            learning_rate=settings.learning_rate,
            num_train_epochs=settings.num_train_epochs,
            per_device_train_batch_size=settings.batch_size,
            gradient_accumulation_steps=settings.gradient_accumulation_steps,
            lr_scheduler_type=settings.lr_scheduler_type,
            warmup_steps=settings.warmup_steps,
            weight_decay=settings.weight_decay,
            adam_epsilon=settings.adam_epsilon,
            max_grad_norm=settings.max_grad_norm,
            eval_strategy="no" if score is None else "epoch" if settings.eval_steps is None else "steps",
            eval_steps=settings.eval_steps,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            bf16=settings.bf16,
            use_cpu=default_device().type == "cpu",
            seed=settings.seed,
            data_seed=settings.seed,
        )
        trainer = FineTuner(
            model=model,
            args=arguments,
            train_dataset=list(rows),
            # Never read, but Trainer wants one where it is to evaluate.
            eval_dataset=None if score is None else list(rows[:1]),
            data_collator=collate,
            callbacks=[best],
            loss=loss,
            count=count,
            score=score,
        )
        for printing in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(printing)
        trainer.train()
    if best.weights is not None:
        model.load_state_dict(best.weights)
    model.eval()
    return {"steps": trainer.state.global_step, "best": best.best}


def predict(
    model: PreTrainedModel,
    rows: Sequence[Row],
    *,
    collate: Callable[[Sequence[Row]], Batch],
    decode: Callable[[nn.Module, Batch], Sequence[Any]],
    tokens_per_batch: int | None = None,
) -> list[Any]:
    """Run a model over rows in batches sorted by length, none of them padded beyond its longest row.

    Args:
        model (`PreTrainedModel`): The model.
        rows (`Sequence[dict]`): Tokenised items, each with `input_ids`.
        collate (`Callable`): Makes a batch of rows.
        decode (`Callable`): Takes the model and a batch and returns one prediction a row.
        tokens_per_batch (`int`, *optional*): Size of a batch in tokens; by default 512 on a CPU, 65,536 elsewhere.

    Returns:
        `list[Any]`: One prediction a row, in the order of the rows.
    """
    device = model.device
    budget = tokens_per_batch or default_tokens_per_batch(device)
    predictions: list[Any] = [None] * len(rows)
    with torch.inference_mode(), evaluation_mode(model):
        for indices in length_sorted_batches([len(row["input_ids"]) for row in rows], budget):
            batch = {key: value.to(device) for key, value in collate([rows[index] for index in indices]).items()}
            for index, prediction in zip(indices, decode(model, batch)):
                predictions[index] = prediction
    return predictions


def pad_rows(rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, keys: Sequence[str]) -> Batch:
    """Pad the token ids of rows on the right, to the longest of them, and make the attention mask.

    Args:
        rows (`Sequence[dict]`): Rows with lists under `input_ids` and perhaps `token_type_ids`.
        tokenizer (`PreTrainedTokenizerBase`): Knows the padding ids.
        keys (`Sequence[str]`): Of these names those that the rows have are padded.

    Returns:
        `dict[str, Tensor]`: Tensors of shape (rows, longest row), with `attention_mask` among them.
    """
    fill = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id}
    longest = max(len(row["input_ids"]) for row in rows)
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    batch = {"attention_mask": (torch.arange(longest) < lengths[:, None]).long()}
    for key in keys:
        if key in rows[0]:
            padded = [list(row[key]) + [fill.get(key, 0)] * (longest - len(row[key])) for row in rows]
            batch[key] = torch.tensor(padded)
    return batch
