"""What can be set of script alignment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..masked_lm.trainer import MaskedLMTrainingArguments


__all__ = ["ScriptAlignmentArguments"]


@dataclass
class ScriptAlignmentArguments(MaskedLMTrainingArguments):
    """Arguments of [`~hf_mplm.ScriptAlignmentTrainer`], on top of those of masked LM.

    A weight of 0 leaves the term out.

    Args:
        mlm_weight (`float`, *optional*, defaults to 1.0): weight of masked language modelling on the original text.
        romanized_mlm_weight (`float`, *optional*, defaults to 1.0): the same on the romanised text.
        seq_weight (`float`, *optional*, defaults to 1.0): weight of the sentence contrast; 0.5 is what the published
            code gives it, whose formula has no such factor.
        tlm_weight (`float`, *optional*, defaults to 1.0): weight of masked language modelling on both texts joined.
        token_weight (`float`, *optional*, defaults to 0.0): weight of the alignment of words with their romanisations,
            which is not in the paper.
        max_length (`int`, *optional*): longest text in tokens; 512 or what the model takes, by default.
        layer (`int`, *optional*): the layer that sentences and words are pooled at; two thirds of the depth, which is
            8 of 12, by default.
        temperature (`float`, *optional*, defaults to 1.0): of the sentence contrast.
        similarity (`str`, *optional*, defaults to `"dot"`): of the sentence contrast, `"dot"` or `"cosine"`.
        gather_negatives (`bool`, *optional*, defaults to `True`): contrast with the sentences of all processes.
        token_temperature (`float`, *optional*, defaults to 0.1): of the alignment of words.
        cache_mini_batch_size (`int`, *optional*): compute the gradients of a device's batch this many pairs at a time,
            with all of them as negatives; see `docs/script-alignment.md`.
        pack_texts (`bool`, *optional*, defaults to `True`): lay texts side by side instead of padding each, where the
            architecture and its attention allow it.

    Raises:
        ValueError: on a negative weight, no weight at all, or settings that exclude each other.
    """

    mlm_weight: float = field(default=1.0, metadata={"help": "Weight of masked LM on the original text."})
    romanized_mlm_weight: float = field(default=1.0, metadata={"help": "Weight of masked LM on the romanised text."})
    seq_weight: float = field(default=1.0, metadata={"help": "Weight of the sentence contrast; 0 leaves it out."})
    tlm_weight: float = field(default=1.0, metadata={"help": "Weight of masked LM on both texts joined."})
    token_weight: float = field(
        default=0.0, metadata={"help": "Weight of aligning words with their romanisations (not in the paper)."}
    )
    max_length: int | None = field(
        default=None, metadata={"help": "Longest text in tokens; 512 or what the model takes, by default."}
    )
    layer: int | None = field(
        default=None, metadata={"help": "Layer that sentences are pooled at; 8 of 12, 15 of 22, ... by default."}
    )
    temperature: float = field(default=1.0, metadata={"help": "Temperature of the sentence contrast."})
    similarity: Literal["dot", "cosine"] = field(default="dot", metadata={"help": "Similarity of sentences."})
    gather_negatives: bool = field(default=True, metadata={"help": "Contrast with sentences of all processes."})
    token_temperature: float = field(default=0.1, metadata={"help": "Temperature of the alignment of words."})
    cache_mini_batch_size: int | None = field(
        default=None,
        metadata={"help": "Pairs whose activations are held at once; all pairs of the batch stay negatives."},
    )
    pack_texts: bool = field(
        default=True, metadata={"help": "Lay texts side by side instead of padding each one, where that is possible."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.include_num_input_tokens_seen not in (False, "no"):
            raise ValueError(
                f"include_num_input_tokens_seen={self.include_num_input_tokens_seen!r} is not taken: a batch of pairs "
                "has several texts, which Trainer does not count; the log has tokens_per_second"
            )
        weights = {name: getattr(self, name) for name in self.__dataclass_fields__ if name.endswith("_weight")}
        if min(weights.values()) < 0 or not any(weights.values()):
            raise ValueError(f"weights must not be negative, nor all 0, but are {weights}")
        if self.cache_mini_batch_size is not None and self.cache_mini_batch_size < 1:
            raise ValueError(f"cache_mini_batch_size is {self.cache_mini_batch_size}; give 1 or more, or leave it out")
        for name in ("temperature", "token_temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be positive")
        if self.max_length is not None and self.max_length < 5:
            raise ValueError(f"max_length is {self.max_length}, but two tokens and three special ones need 5")
        if self.layer is not None and self.layer < 0:
            raise ValueError(f"layer is {self.layer}; give 0 (embeddings) to the model's depth")
        if self.gradient_checkpointing:
            kwargs: dict[str, Any] = {**(self.gradient_checkpointing_kwargs or {})}  # type: ignore[dict-item]
            if kwargs.setdefault("use_reentrant", False):
                raise ValueError(
                    "gradient checkpointing has use_reentrant=True, under which the pooled layer has no gradients; "
                    "leave it out"
                )
            # transformers 5 has a second name for it, which wins.
            for name in ("gradient_checkpointing_kwargs", "activation_checkpointing_kwargs"):
                if name in self.__dataclass_fields__:
                    setattr(self, name, kwargs)
