"""What can be set of the alignment with static embeddings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..masked_lm.trainer import MaskedLMTrainingArguments


__all__ = ["StaticAlignmentArguments"]


@dataclass
class StaticAlignmentArguments(MaskedLMTrainingArguments):
    """Arguments of [`~hf_mplm.StaticAlignmentTrainer`], on top of those of masked LM.

    A weight of 0 leaves the term out; with `align_weight` 0 no words are needed.

    Args:
        loss (`str`, *optional*, defaults to `"dcca"`): what compares words with their vectors: `"mse"`, `"dcca"`
            (deep CCA as in the paper), or `"subspace"` (what the published code computes under that name).
        words_per_step (`int`, *optional*, defaults to 1024): words of an optimizer step, over micro-batches and
            processes.
        layer (`int`, *optional*): the layer that words are pooled at; the last one by default, as published.
        pool_special_tokens (`bool`, *optional*, defaults to `False`): pool the special tokens around a word with its
            subwords, as the published code does and the paper does not.
        target_scale (`str`, *optional*, defaults to `"unit"`): of `mse`: vectors of length 1, as published, or, with
            `"encoder"`, of the mean length that the encoder's own vectors of words have when training begins.
        components (`int`, *optional*, defaults to 100): of `dcca`: principal axes that the vectors are reduced to.
        ridge (`float`, *optional*, defaults to 0.1): of `dcca`: what is added to each covariance, as a share of its
            mean eigenvalue.
        subspace_batch (`int`, *optional*, defaults to 64): of `subspace`: words that are compared at a time.
        mlm_weight (`float`, *optional*, defaults to 1.0): weight of masked language modelling.
        align_weight (`float`, *optional*, defaults to 1.0): weight of the alignment.

    Raises:
        ValueError: on a negative weight, no weight at all, or a setting that is impossible.
    """

    loss: Literal["mse", "dcca", "subspace"] = field(
        default="dcca", metadata={"help": "What compares words with their vectors; subspace is the public code's."}
    )
    words_per_step: int = field(
        default=1024, metadata={"help": "Words of an optimizer step, over micro-batches and processes."}
    )
    layer: int | None = field(default=None, metadata={"help": "Layer that words are pooled at; the last by default."})
    pool_special_tokens: bool = field(
        default=False, metadata={"help": "Pool <s> and </s> with a word's subwords, as the published code does."}
    )
    target_scale: Literal["unit", "encoder"] = field(
        default="unit",
        metadata={"help": "Of mse: vectors of length 1, or as long as the encoder's own are at the start."},
    )
    components: int = field(default=100, metadata={"help": "Of dcca: principal axes that the vectors are reduced to."})
    ridge: float = field(
        default=0.1, metadata={"help": "Of dcca: added to each covariance, as a share of its mean eigenvalue."}
    )
    subspace_batch: int = field(default=64, metadata={"help": "Of subspace: words that are compared at a time."})
    mlm_weight: float = field(default=1.0, metadata={"help": "Weight of masked language modelling."})
    align_weight: float = field(default=1.0, metadata={"help": "Weight of the alignment; 0 needs no words."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.mlm_weight, self.align_weight) < 0 or not (self.mlm_weight or self.align_weight):
            raise ValueError(
                f"mlm_weight is {self.mlm_weight} and align_weight {self.align_weight}; none may be negative, nor "
                "both be 0"
            )
        for name, options in (("loss", ("mse", "dcca", "subspace")), ("target_scale", ("unit", "encoder"))):
            if getattr(self, name) not in options:
                raise ValueError(f"{name} is {getattr(self, name)!r}; give {' or '.join(options)}")
        if self.layer is not None and self.layer < 0:
            raise ValueError(f"layer is {self.layer}; give 0 (embeddings) to the model's depth")
        if self.components < 1 or self.ridge < 0:
            raise ValueError(f"components is {self.components} and ridge {self.ridge}; give 1 or more, and 0 or more")
        if self.auto_find_batch_size:
            raise ValueError(
                "auto_find_batch_size is not taken: a step's words are cut as its text is, which must be known before"
            )
        share = self.gradient_accumulation_steps * self.world_size
        if self.words_per_step < 2 or self.words_per_step % share:
            raise ValueError(
                f"words_per_step is {self.words_per_step}, which {self.gradient_accumulation_steps} micro-batches of "
                f"{self.world_size} processes do not share evenly; give a multiple of {share}"
            )
        if self.loss == "subspace" and (self.words_per_step % self.subspace_batch or self.subspace_batch < 20):
            raise ValueError(
                f"words_per_step is {self.words_per_step} and subspace_batch {self.subspace_batch}; the latter must "
                "be 20 or more, and divide the former"
            )
        if self.gradient_checkpointing:
            self._without_reentry()

    def _without_reentry(self) -> None:
        kwargs: dict[str, Any] = {**(self.gradient_checkpointing_kwargs or {})}  # type: ignore[dict-item]
        if kwargs.setdefault("use_reentrant", False):
            raise ValueError(
                "gradient checkpointing has use_reentrant=True, under which the pooled layer has no gradients; leave "
                "it out"
            )
        # transformers 5 has a second name for it, which wins.
        for name in ("gradient_checkpointing_kwargs", "activation_checkpointing_kwargs"):
            if name in self.__dataclass_fields__:
                setattr(self, name, kwargs)
