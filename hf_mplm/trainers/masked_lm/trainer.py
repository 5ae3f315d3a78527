"""Masked language modelling over languages, with LangSAMP's language and script ids where the model has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback, TrainerState

from hf_mplm._lists import as_list
from hf_mplm.data.batches.collators import DataCollatorForMaskedLM
from hf_mplm.data.batches.schedules import Schedule
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer

from ..base.arguments import MplmTrainingArguments
from ..base.predicted_stop import PredictedStopCallback
from ..base.resumable import STATE_NAME
from ..base.run_record import describe_store
from ..base.trainer import MplmTrainer
from .head_start import NEW_HEAD, HeadWarmup, start_head
from .language_ids import LanguageIds
from .loss import MaskedLMForward
from .teacher import Teacher


if TYPE_CHECKING:
    from hf_mplm.data.store.token_store import TokenStore


__all__ = ["MaskedLMTrainer", "MaskedLMTrainingArguments"]


@dataclass
class MaskedLMTrainingArguments(MplmTrainingArguments):
    """Arguments of [`MaskedLMTrainer`], on top of [`MplmTrainingArguments`].

    Args:
        mask_rate (`str`, *optional*, defaults to `"0.15"`): share of the tokens to predict; a number or a schedule,
            see [`~hf_mplm.data.Schedule`].
        eval_mask_rate (`float`, *optional*, defaults to 0.15): the same for held-out text, whose masks never change.
        head_warmup_steps (`int`, *optional*, defaults to 0): so many first steps train the LM head alone, and the
            tables of languages and scripts where there are some; the encoder and the decoder tied to its embeddings
            stay bit for bit. For a head that was made anew. These steps are the schedule's, too.
        distill_weight (`float`, *optional*, defaults to 0): weight of the divergence from the predictions of the model
            that the run started from, see [`~hf_mplm.losses.distillation_loss`]; the trainer's `teacher` is needed.
        stop_gain (`float`, *optional*, defaults to 0): end the run before `max_steps` once the held-out curve predicts
            that the steps that are left would lower the loss by less, in nats, of the languages that are not replayed;
            see [`~hf_mplm.trainers.base.predicted_stop.PredictedStopCallback`]. 0 never does.
    """

    mask_rate: str = field(
        default="0.15",
        metadata={
            "help": "Share of the tokens to predict. A number, or a schedule as JSON: "
            "[[0.0, 0.30], [0.7, 0.15], [0.9, 0.05]]."
        },
    )
    eval_mask_rate: float = field(
        default=0.15, metadata={"help": "The same for held-out text; its masks never change."}
    )
    head_warmup_steps: int = field(
        default=0,
        metadata={"help": "So many first steps train the LM head alone, for one made by --new_lm_head."},
    )

    distill_weight: float = field(
        default=0.0,
        metadata={
            "help": "Weight of the divergence from what the model of the start would predict, for runs without text "
            "of the languages that it knows."
        },
    )
    stop_gain: float = field(
        default=0.0,
        metadata={
            "help": "End once the held-out curve predicts less than this of what is left, in nats; needs "
            "--eval_strategy steps. 0 never does."
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("distill_weight", "stop_gain"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} is {getattr(self, name)}; give 0 or more")
        if self.stop_gain and str(getattr(self.eval_strategy, "value", self.eval_strategy)) == "no":
            raise ValueError("--stop_gain goes by the held-out loss; give --eval_strategy steps --eval_steps 50, too")
        for name in ("mask_rate", "eval_mask_rate"):
            Schedule.parse(getattr(self, name), name=name, minimum=0.0, maximum=1.0)
        if self.head_warmup_steps < 0:
            raise ValueError(f"--head_warmup_steps is {self.head_warmup_steps}; give 0 or more steps")


class MaskedLMTrainer(MplmTrainer):
    """Continue the pretraining of any masked language model in many languages.

    A model with language and script embeddings (LangSAMP, Liu et al. 2025) is given the ids of each chunk's language
    and script; any other `AutoModelForMaskedLM` is trained as it is. The loss is the sum over the masked tokens of an
    optimizer step divided by their number, over all micro-batches and processes, and 0 where there are none.

    Evaluation gives `eval_loss` over all masked tokens, `eval_loss_eng_Latn` and so on for each language, and
    `eval_loss_macro`, the mean over languages.

    ```python
    store = load_store("store")
    model = XLMRobertaForLangScriptMLM.from_encoder("FacebookAI/xlm-roberta-base", languages=[...], scripts=[...])
    trainer = MaskedLMTrainer(model, MaskedLMTrainingArguments(output_dir="out", max_steps=1000), store=store)
    trainer.train()
    ```

    Args:
        model (`transformers.PreTrainedModel`): what is trained.
        args (`MaskedLMTrainingArguments`): how.
        store ([`~hf_mplm.TokenStore`], *optional*): rows to train on, held-out rows, and their tokenizer;
            or give `train_dataset`, `eval_dataset` and `processing_class`.
        data_collator (`Callable`, *optional*): [`~hf_mplm.DataCollatorForMaskedLM`] by default.
        train_dataset (`datasets.Dataset`, *optional*): rows with `input_ids` and a `ClassLabel` column `language`.
        eval_dataset (`datasets.Dataset` or a `dict` of them, *optional*): held-out rows of the same columns.
        processing_class (`transformers.PreTrainedTokenizerBase`, *optional*): the model's tokenizer; the store's by
            default.
        callbacks (`list[TrainerCallback]`, *optional*): further callbacks.
        optimizers (`tuple`, *optional*, defaults to `(None, None)`): an optimizer and a scheduler of your own.
        teacher ([`~hf_mplm.trainers.masked_lm.teacher.Teacher`], *optional*): of `distill_weight`.

    Raises:
        ValueError: when the store was made by another tokenizer, or the model lacks a language or script of the rows.
    """

    args_class: ClassVar[type[MplmTrainingArguments]] = MaskedLMTrainingArguments
    collator_class: ClassVar[type | None] = DataCollatorForMaskedLM
    card_template: ClassVar[str] = "pretrain"
    paper: ClassVar[dict[str, str]] = {
        "title": "LangSAMP: Language-Script Aware Multilingual Pretraining",
        "url": "https://arxiv.org/abs/2409.18199",
        "citation": "@inproceedings{liu-etal-2025-langsamp,\n"
        "  title = {{LangSAMP}: Language-Script Aware Multilingual Pretraining},\n"
        '  author = {Liu, Yihong and Ye, Haotian and Ma, Chunlan and Wang, Mingyang and Sch{\\"u}tze, Hinrich},\n'
        "  booktitle = {Proceedings of ACL 2025},\n  year = {2025}\n}",
    }
    tags: ClassVar[tuple[str, ...]] = ("hf-mplm", "masked-lm", "multilingual")

    def __init__(
        self,
        model: PreTrainedModel,
        args: MaskedLMTrainingArguments,
        store: TokenStore | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: PreTrainedTokenizerBase | None = None,
        callbacks: list[TrainerCallback] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
        teacher: Teacher | None = None,
    ) -> None:
        # Arguments of another class are refused below.
        distills = getattr(args, "distill_weight", 0)
        if distills and teacher is None:
            raise ValueError("distill_weight needs the model that the run starts from: pass teacher=Teacher(model)")
        self._teacher = teacher if distills else None
        if store is not None:
            train_dataset = store.train if train_dataset is None else train_dataset
            eval_dataset = store.holdout if eval_dataset is None else eval_dataset
            if processing_class is None:
                processing_class = load_tokenizer(store.tokenizer_path)
            store.check_tokenizer(processing_class)
        self.store = store
        self.origin = None if store is None else {"store": describe_store(store)}
        self._forward = MaskedLMForward(model)
        self._start_of_head = start_head(model, train_dataset, processing_class)
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
        rows = train_dataset if train_dataset is not None else _first(eval_dataset)
        self.languages = self.languages or list(rows.features["language"].names)
        self._ids = LanguageIds.of(model, self.languages)
        if self._teacher is not None:
            self._teacher_ids = LanguageIds.of(self._teacher.teacher, self.languages, may_lack=True)
        # What else the card tells, for who makes a trainer.
        self.facts: dict[str, Any] = {}
        self._head_warmup = HeadWarmup(model, args.head_warmup_steps)
        self.add_callback(self._head_warmup)
        if args.stop_gain:
            self.add_callback(self._predicted_stop())

    def collator_arguments(
        self, args: Any, model: PreTrainedModel, processing_class: PreTrainedTokenizerBase | None
    ) -> dict[str, Any]:
        """The collator's tokenizer, mask rate and seed."""
        if processing_class is None:
            raise ValueError(
                "masking needs the model's tokenizer: pass processing_class=AutoTokenizer.from_pretrained(...)"
            )
        return {
            "tokenizer": processing_class,
            "mask_rate": args.mask_rate,
            "seed": args.data_seed if args.data_seed is not None else args.seed,
            "num_draws": self.num_draws,
        }

    # Overridden so that a run that ended by prediction, and was killed before its model was saved, stays at its end.
    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        state = TrainerState.load_from_json(str(Path(resume_from_checkpoint) / STATE_NAME))
        if self.args.stop_gain and self._predicted_stop().has_stopped(state):
            self.args.max_steps = state.global_step

    def _predicted_stop(self) -> PredictedStopCallback:
        """By the languages that the run is for: the replayed ones have little to gain, and would end it early."""
        replayed = as_list(self.args.replay_languages or [])
        return PredictedStopCallback(
            self.args.stop_gain, [code for code in self.languages if code not in replayed] or None
        )

    # Overridden because gradients of the encoder must be gone before they are clipped together with the head's.
    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """As Trainer's; while the head warms up, the encoder has no gradients."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        self._head_warmup.drop_gradients(self.state.global_step)
        return loss

    def card_facts(self) -> dict[str, Any]:
        """How the LM head was made, where it was, and `facts`, beside what every trainer tells."""
        told = self._start_of_head or (self._record.get("origin") or {}).get(NEW_HEAD)
        facts = {"lm_head": told, "head_warmup": self.args.head_warmup_steps, **self.facts}
        return {**super().card_facts(), **{name: fact for name, fact in facts.items() if fact}}

    def _begin_record(self, checkpoint: Path | None) -> dict[str, Any]:
        """As every run's, and how the LM head was made, also after a resume."""
        if self._start_of_head is not None:
            self.origin = {**(self.origin or {}), NEW_HEAD: self._start_of_head}
        return super()._begin_record(checkpoint)

    def loss_terms(
        self, model: torch.nn.Module, inputs: dict[str, Any], counts: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """`mlm`, and `distillation` where there is a teacher."""
        if self._teacher is None:
            mean = self._forward(model, self._ids.add_to(inputs), counts["labels"])
            return {"mlm": mean * self.accelerator.num_processes}
        bare = self.accelerator.unwrap_model(model)
        with self._teacher.watching(bare) as states:
            mean = self._forward(model, self._ids.add_to(inputs), counts["labels"])
        divergence = self._teacher.divergence(bare, states[0], self._teacher_ids.add_to(inputs))
        return {
            "mlm": mean * self.accelerator.num_processes,
            "distillation": self.per_item(divergence, counts["labels"]) * self.args.distill_weight,
        }

    def held_out_sums(
        self, model: torch.nn.Module, inputs: dict[str, Any]
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """The masked tokens' summed loss, and their number."""
        count = inputs["labels"].ne(-100).sum()
        return {"mlm": (self._forward(model, self._ids.add_to(inputs), torch.ones_like(count)), count)}

    def eval_collator(self) -> Any:
        """The collator with the constant mask rate of held-out text."""
        return self.data_collator.for_evaluation(mask_rate=self.args.eval_mask_rate)


def _first(datasets: Any) -> Any:
    return next(iter(datasets.values())) if isinstance(datasets, dict) else datasets
