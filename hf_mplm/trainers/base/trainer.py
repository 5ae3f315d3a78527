"""The base of every trainer: `transformers.Trainer` with draws, loss components and exact resuming."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import TrainOutput

from hf_mplm._lists import as_list
from hf_mplm.data.batches.sampling import LanguageSampler, SampledDataset, language_labels, row_lengths

from .arguments import MplmTrainingArguments
from .callbacks import EpochByDrawsCallback, TrainingProgressCallback
from .counting import count_labels, label_keys
from .guard import FiniteGuardCallback
from .held_out import HeldOutEvaluation
from .meters import LogWindow
from .passes import PassesCallback
from .publishing import PublishingTrainer, sparing_training
from .random_state import preserve_training_state
from .samplers import DrawSampler
from .stopping import shield_worker


__all__ = ["MplmTrainer"]


class MplmTrainer(HeldOutEvaluation, PublishingTrainer):
    """What the trainers of all methods share.

    A method subclasses it with class attributes and one function, [`~MplmTrainer.loss_terms`]. The base does the rest:

    - Training reads draw 0, 1, 2, ... of a [`~hf_mplm.LanguageSampler`]; optimizer step s takes the same
      draws however they are cut into micro-batches and processes. Resuming starts at another draw and replays nothing.
    - Counts of labels run over all micro-batches and ranks of a step, so that token losses are sums over one count.
    - Each term is logged as its mean over steps and ranks, beside tokens per second and draws per language.
    - Checkpoints are whole or absent, and evaluating changes nothing in training.

    Class attributes:
        args_class (`type`): the arguments dataclass.
        collator_class (`type`): the collator made when none is given, from `collator_arguments()`.
        card_template (`str`): name of the model card's template in `hf_mplm.hub`.
        paper (`dict`): `title`, `url` and `citation` (BibTeX) of the method.
        tags (`tuple[str, ...]`): the card's tags.

    Args:
        model (`transformers.PreTrainedModel`): what is trained.
        args (`MplmTrainingArguments`): `max_steps` counts; where it is not set, `num_train_epochs` is converted, an
            epoch being as many draws as there are rows.
        data_collator (`Callable`, *optional*): rows to a batch; the class's own by default.
        train_dataset (`datasets.Dataset`, *optional*): rows with a `ClassLabel` column `language`.
        eval_dataset (`datasets.Dataset` or a `dict` of them, *optional*): held-out rows.
        processing_class (`transformers.PreTrainedTokenizerBase`, *optional*): the tokenizer, saved with the model.
        callbacks (`list[TrainerCallback]`, *optional*): further callbacks.
        optimizers (`tuple`, *optional*, defaults to `(None, None)`): an optimizer and a scheduler of your own.

    Raises:
        ValueError: when the arguments are of another class, or the rows have no language.
    """

    train_dataset: Any
    data_collator: Any
    eval_dataset: Any

    args_class: ClassVar[type[MplmTrainingArguments]] = MplmTrainingArguments
    collator_class: ClassVar[type | None] = None
    card_template: ClassVar[str] = ""
    paper: ClassVar[dict[str, str]] = {}
    tags: ClassVar[tuple[str, ...]] = ("hf-mplm",)

    def __init__(
        self,
        model: PreTrainedModel,
        args: MplmTrainingArguments,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: PreTrainedTokenizerBase | None = None,
        callbacks: list[TrainerCallback] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
    ) -> None:
        if not isinstance(args, self.args_class):
            raise ValueError(
                f"{type(self).__name__} got args of class {type(args).__name__} and needs {self.args_class.__name__}: "
                f"{type(self).__name__}(model, {self.args_class.__name__}(output_dir=...), ...)"
            )
        per_step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        self.languages: list[str] = []
        if train_dataset is not None:
            self._labels = language_labels(train_dataset)
            self.languages = list(train_dataset.features["language"].names)
            if args.max_steps <= 0:
                # Length is counted in steps: every schedule and every draw of a run refers to it.
                args.max_steps = math.ceil(args.num_train_epochs * len(train_dataset) / per_step)
        self.num_draws = max(args.max_steps, 0) * per_step
        self._sampler: LanguageSampler | None = None
        self._window = LogWindow()
        if data_collator is None and self.collator_class is not None:
            data_collator = self.collator_class(**self.collator_arguments(args, model, processing_class))
        super().__init__(
            model=model,
            args=args,
            data_collator=data_collator,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            callbacks=callbacks,
            optimizers=optimizers,
        )
        # The terms are already divided by what the whole step holds: Trainer must not divide by micro-batches again.
        self.model_accepts_loss_kwargs = True
        self._guard = FiniteGuardCallback(self)
        self.add_callback(self._guard)
        self.add_callback(EpochByDrawsCallback(self))
        self.add_callback(PassesCallback(self))
        for callback in list(self.callback_handler.callbacks):
            if type(callback) in (ProgressCallback, PrinterCallback):
                self.remove_callback(callback)
                self.add_callback(TrainingProgressCallback(bars=not args.disable_tqdm))

    # ---- What a method defines ----

    def collator_arguments(
        self,
        args: Any,
        model: PreTrainedModel,
        processing_class: PreTrainedTokenizerBase | None,
    ) -> dict[str, Any]:
        """Keyword arguments of `collator_class`; `self.num_draws` is known here, the rest of Trainer is not."""
        return {"tokenizer": processing_class}

    def loss_terms(
        self, model: torch.nn.Module, inputs: dict[str, Any], counts: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """The terms of the loss of one micro-batch.

        A term's value for the optimizer step is its sum over micro-batches and its mean over ranks. So a token loss is
        `self.accelerator.num_processes * total / count` with the count of the step, see [`~MplmTrainer.per_item`], and
        a loss that is a mean over the micro-batch is divided by `self.current_gradient_accumulation_steps`.

        Args:
            model (`torch.nn.Module`): the model in the wrapper that Trainer was given; call this, not `self.model`.
            inputs (`dict`): the batch, bookkeeping (`draw`, `language`) included.
            counts (`dict[str, torch.Tensor]`): labels that are not -100 in the whole step, over micro-batches and
                ranks, for each key of labels. Shapes: ().

        Returns:
            `dict[str, torch.Tensor]`: name to scalar with a graph; their sum is the loss. Shapes: ().
        """
        outputs = model(**{key: value for key, value in inputs.items() if key not in ("draw", "language")})
        return {"model": self.per_item(outputs["loss"] * count_labels(inputs, "labels"), counts["labels"])}

    # ---- Loss ----

    def per_item(self, total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """A micro-batch's share of a mean over all labels of the step; 0 where the step has none.

        Args:
            total (`torch.Tensor`): sum of the losses of this micro-batch. Shape: ().
            count (`torch.Tensor`): labels of the step over micro-batches and ranks. Shape: ().

        Returns:
            `torch.Tensor`: scaled so that summing over micro-batches and averaging over ranks, as DDP does with
            gradients, gives the mean. Shape: ().
        """
        return total * (self.accelerator.num_processes / count.clamp(min=1).to(total.dtype))

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Sum the terms, and note them for the log."""
        terms = self.loss_terms(model, inputs, self.step_counts(inputs, num_items_in_batch))
        loss = torch.stack([term.reshape(()) for term in terms.values()]).sum()
        if self.model.training:
            self._guard.note(loss, inputs.get("language"))
            self._window.note(terms, inputs)
        return (loss, {"loss": loss, **terms}) if return_outputs else loss

    @staticmethod
    def step_counts(inputs: dict[str, Any], num_items_in_batch: Any) -> dict[str, torch.Tensor]:
        """The labels of the optimizer step by key, as Trainer hands them on; those of `inputs` where it does not."""
        if num_items_in_batch is not None:
            return num_items_in_batch
        return {key: count_labels(inputs, key) for key in label_keys(inputs)}

    def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> Any:
        # Trainer counts only the key `labels`; a method with several streams has a count for each.
        keys = label_keys(batch_samples[0]) if batch_samples else []
        if not keys:
            return {}
        counts = torch.stack(
            [torch.stack([count_labels(batch, key) for batch in batch_samples]).sum().to(device) for key in keys]
        )
        return dict(zip(keys, self.accelerator.reduce(counts, reduction="sum")))

    # ---- Data ----

    def _get_train_sampler(self, train_dataset: Any = None) -> DrawSampler:
        # Trainer takes the length for the whole run's, of which a resumed run yields the rest.
        stop = self._start_draw + (self.args.max_steps - self._start_step) * self.draws_per_step
        return DrawSampler(self._start_draw, stop, length=self.args.max_steps * self.draws_per_step)

    def get_train_dataloader(self) -> DataLoader:
        """Batches of draws; the loader has a generator of its own and takes nothing from the random state."""
        if self.train_dataset is None:
            raise ValueError(f"{type(self).__name__} has no train_dataset; pass one to train")
        if not self.args.auto_find_batch_size:
            # transformers 4.57 takes the batch size of the checkpoint that it resumes from, not the one it is given.
            self._train_batch_size = self.args.train_batch_size
        draws = self._get_train_sampler(self.train_dataset)
        self.num_draws = draws.stop
        by_length = self.args.group_by_length
        self._sampler = LanguageSampler(
            self._labels,
            alpha=self.args.alpha,
            seed=self.args.data_seed if self.args.data_seed is not None else self.args.seed,
            num_draws=self.num_draws,
            num_languages=len(self.languages),
            group_by_length=by_length,
            lengths=self.row_lengths() if by_length else None,
            # A step's rows stay together, so that cutting the step differently changes nothing.
            batch_size=self.draws_per_step if by_length else None,
            replay=self._replay(),
        )
        rows = SampledDataset(self.train_dataset, self._sampler)
        workers = self.args.dataloader_num_workers
        loader = DataLoader(
            rows,
            batch_size=self._train_batch_size,
            sampler=draws,
            collate_fn=self.data_collator,
            num_workers=workers,
            pin_memory=self.args.dataloader_pin_memory and torch.cuda.is_available(),
            persistent_workers=self.args.dataloader_persistent_workers and workers > 0,
            prefetch_factor=self.args.dataloader_prefetch_factor if workers else None,
            multiprocessing_context=getattr(self.args, "dataloader_multiprocessing_context", None)
            if workers
            else None,
            generator=torch.Generator(),
            worker_init_fn=shield_worker,
        )
        return self.accelerator.prepare(loader)

    def _replay(self) -> tuple[list[int], float] | None:
        """The labels of the languages that are replayed, and their share of the draws."""
        if self.args.replay_languages is None:
            return None
        codes = as_list(self.args.replay_languages)
        if missing := [code for code in codes if code not in self.languages]:
            raise ValueError(
                f"--replay_languages {', '.join(missing)}: there is no text of it in the store, which has "
                f"{', '.join(self.languages[:12])}{', ...' if len(self.languages) > 12 else ''}"
            )
        return [self.languages.index(code) for code in codes], self.args.replay_share

    def row_lengths(self) -> np.ndarray:
        """Lengths that `group_by_length` goes by. Shape: (rows,)."""
        return row_lengths(self.train_dataset)

    def _set_signature_columns_if_needed(self) -> None:
        # Collators read these columns; the model's signature, which Trainer would keep, knows none of them.
        self._signature_columns: Any = list(self.train_dataset.column_names) if self.train_dataset is not None else []

    # ---- Training and evaluating ----

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """As [`~hf_mplm.trainers.base.resumable.ResumableTrainer.train`], with the log's window opened."""
        self._window = LogWindow()
        return super().train(*args, **kwargs)

    # Overridden so that evaluating leaves random states and modes as they were, and does not count as training time.
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """As Trainer's; training goes on afterwards exactly as if it had not been called."""
        started = time.perf_counter()
        with preserve_training_state(self.model):
            metrics = super().evaluate(
                eval_dataset=eval_dataset, ignore_keys=ignore_keys, metric_key_prefix=metric_key_prefix
            )
        self._window.rest(time.perf_counter() - started)
        return metrics

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        started = time.perf_counter()
        super()._save_checkpoint(model, trial)
        self._window.rest(time.perf_counter() - started)

    # ---- Log ----

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the terms' means, tokens per second and draws per language to a line of the training log."""
        if "loss" in logs and self.is_in_train:
            logs.update(self._window.close(self.accelerator, self.state.global_step, self._start_step))
        if ("loss" in logs and self.is_in_train) or "train_runtime" in logs:
            logs.update({f"draws_{name}": count for name, count in zip(self.languages, self.draws_per_language())})
        super().log(logs, start_time)

    def draws_per_language(self) -> list[int]:
        """Rows drawn so far of each language, in the order of `self.languages`, those before a resume included."""
        if self._sampler is None:
            return [0] * len(self.languages)
        return self._sampler.language_counts(0, min(self.draws_done, self.num_draws)).tolist()

    # ---- Model card ----

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write `README.md` beside a saved model, from what lies there.

        Args:
            *args: none are used.
            **kwargs: as for Trainer; `model_name`, `finetuned_from`, `license` and `tags` are used.
        """
        if self.is_world_process_zero():
            self.write_card(Path(self.args.output_dir), **kwargs)

    def _start(self) -> str | None:
        """What the model was loaded from, unless that is a checkpoint of this run."""
        name = str(getattr(self.model.config, "_name_or_path", "") or "")
        return name if name and Path(self.args.output_dir).resolve() not in Path(name).resolve().parents else None

    def card_facts(self) -> dict[str, Any]:
        """What the card tells of the run beside its arguments: name to value."""
        return {"processes": self.args.world_size}

    def told_of_card(self, **card: Any) -> dict[str, Any]:
        """What a card is told beside what lies in the folder: keyword arguments of `write_model_card`.

        Args:
            **card: as for `create_model_card`.
        """
        tags = card.get("tags") or []
        start = (self.origin or {}).get("model") or {}
        return {
            "base_model": card.get("finetuned_from") or start.get("name") or self._start(),
            "license": card.get("license"),
            "paper": self.paper,
            "tags": [*self.tags, *as_list(tags, keep_spaces=True)],
            "template": self.card_template,
            "facts": self.card_facts(),
        }

    def write_card(self, folder: Path, **card: Any) -> None:
        """Write `README.md` into a folder, from what lies there; an error is told, and ends nothing.

        Args:
            folder (`Path`): with a saved model.
            **card: as for `create_model_card`.
        """
        with sparing_training("the model's card"):
            from hf_mplm.hub.cards import write_model_card

            told = self.told_of_card(**card)
            self.write_record(folder, **told)
            counts = dict(zip(self.languages, self.draws_per_language()))
            write_model_card(folder, name=card.get("model_name"), language_counts=counts, **told)
