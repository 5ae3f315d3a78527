"""What `hf-mplm quickstart` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field


__all__ = ["QuickstartArguments"]


@dataclass
class QuickstartArguments:
    """Everything that the quickstart can be told; the recipes `quickstart` and `quickstart-from-scratch` hold the
    values."""

    languages: list[str] = field(metadata={"help": "Language-scripts of the sample; English is the source."})
    num_new: int = field(
        metadata={"help": "How many of them are taught: those that the start knows least. The others are replayed."}
    )
    replay: int = field(metadata={"help": "Training sentences of each language that is not taught."})
    chunk_length: int = field(metadata={"help": "Tokens a row of the store."})
    holdout: int = field(metadata={"help": "Training sentences per language kept for the held-out loss, at most."})
    batch_size: int = field(metadata={"help": "Rows a step."})
    learning_rate: float = field(metadata={"help": "Peak learning rate of the encoder; it falls linearly to 0."})
    head_learning_rate: float = field(
        metadata={"help": "The same of the LM head and of LangSAMP's tables, which begin with little or nothing."}
    )
    warmup_share: float = field(metadata={"help": "Share of the steps in which the learning rate rises."})
    mask_rate: float = field(metadata={"help": "Share of the tokens to predict."})
    alpha: float = field(metadata={"help": "Languages are drawn by p ~ n^alpha."})
    seed: int = field(metadata={"help": "Seed of the new weights, the draws and the masks."})
    align_share: float = field(
        default=0.0, metadata={"help": "Steps of script alignment for each step of training; 0 leaves it out."}
    )
    align_batch_size: int = field(default=16, metadata={"help": "Sentence pairs a step of script alignment."})
    align_learning_rate: float = field(default=2e-5, metadata={"help": "Its peak learning rate."})
    model: str | None = field(
        default=None,
        metadata={"help": "Masked-LM checkpoint to start from, a folder or a Hub id, instead of the one that ships."},
    )
    from_scratch: bool = field(
        default=False, metadata={"help": "Start from random weights and a tokenizer trained on the sample."}
    )
    vocab_size: int = field(default=2000, metadata={"help": "From scratch: size of the SentencePiece vocabulary."})
    num_hidden_layers: int = field(default=2, metadata={"help": "From scratch: depth of the encoder."})
    hidden_size: int = field(
        default=128, metadata={"help": "From scratch: its width; the feed-forward layers are four times as wide."}
    )
    num_attention_heads: int = field(default=4, metadata={"help": "From scratch: attention heads of a layer."})
    output: str = field(default="quickstart", metadata={"help": "Folder for everything that is written."})
    minutes: float = field(default=5.0, metadata={"help": "How long it may take, from the first line to the report."})
    max_steps: int = field(
        default=0, metadata={"help": "Steps for each model; 0 times a few steps and takes what fits into --minutes."}
    )
    num_proc: int = field(
        default=0,
        metadata={"help": "Models that are trained side by side; 0 takes 2 where there are two cores and no GPU."},
    )
    overwrite: bool = field(default=False, metadata={"help": "Start anew where the folder holds another quickstart."})
