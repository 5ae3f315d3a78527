"""What `hf-mplm quickstart` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field


__all__ = ["QuickstartArguments"]


@dataclass
class QuickstartArguments:
    """Everything that the quickstart can be told; the recipe `quickstart` holds the values."""

    languages: list[str] = field(metadata={"help": "Language-scripts to train on; English is the source."})
    vocab_size: int = field(metadata={"help": "Size of the SentencePiece vocabulary."})
    chunk_length: int = field(metadata={"help": "Tokens a row of the store."})
    holdout: int = field(metadata={"help": "Training sentences per language kept for the held-out loss."})
    num_hidden_layers: int = field(metadata={"help": "Depth of the encoder."})
    hidden_size: int = field(metadata={"help": "Its width; the feed-forward layers are four times as wide."})
    num_attention_heads: int = field(metadata={"help": "Attention heads of a layer."})
    batch_size: int = field(metadata={"help": "Rows a step."})
    learning_rate: float = field(metadata={"help": "Peak learning rate; it falls linearly to 0."})
    warmup_share: float = field(metadata={"help": "Share of the steps in which the learning rate rises."})
    mask_rate: float = field(metadata={"help": "Share of the tokens to predict."})
    alpha: float = field(metadata={"help": "Languages are drawn by p ~ n^alpha."})
    seed: int = field(metadata={"help": "Seed of the initial weights, the draws and the masks."})
    output: str = field(default="quickstart", metadata={"help": "Folder for everything that is written."})
    minutes: float = field(default=5.0, metadata={"help": "How long it may take, from the first line to the report."})
    max_steps: int = field(
        default=0, metadata={"help": "Steps for each model; 0 times a few steps and takes what fits into --minutes."}
    )
    overwrite: bool = field(default=False, metadata={"help": "Start anew where the folder holds another quickstart."})
