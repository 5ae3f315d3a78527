"""What a table of word vectors depends on, besides the text and the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args


__all__ = ["Context", "Dtype", "ExtractionSettings", "Init", "Method"]

Method = Literal["x2static", "pooled", "alone"]
Context = Literal["without-target", "with-target"]
Init = Literal["pooled", "random"]
Dtype = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True)
class ExtractionSettings:
    """How static embeddings are extracted. The defaults are those of the paper (section 3 and appendix C).

    Args:
        method (`str`, *optional*, defaults to `"x2static"`): `"x2static"` trains word vectors against the contexts in
            which the words stand (Gupta and Jaggi 2021); `"pooled"` is the mean over all occurrences of a word's mean
            subword state (Bommasani et al. 2020); `"alone"` the mean subword state of the word by itself.
        layer (`int`, *optional*, defaults to 6): index into `hidden_states`, at which the encoder ends.
        context (`str`, *optional*, defaults to `"without-target"`): whether the mean of a sentence is taken without
            the target's own tokens, as the paper has it, or with them, as its code does.
        special_tokens (`bool`, *optional*, defaults to `True`): whether `<s>` and `</s>` count in the mean, as they do
            in the paper's code.
        init (`str`, *optional*, defaults to `"pooled"`): where the training of `"x2static"` starts: from what
            `"pooled"` gives, or from uniform numbers up to 1 / dimension, as the paper's code does.
        lower_case (`bool`, *optional*, defaults to `True`): whether words are told apart in lower case only. The
            encoder reads sentences as they are written in either case.
        min_count (`int`, *optional*, defaults to 10): how often a word must occur.
        max_words (`int`, *optional*, defaults to 200000): words of a language, the most frequent.
        min_words (`int`, *optional*, defaults to 7): words that a sentence must have.
        max_sentences (`int`, *optional*): most sentences of a language, of those with `min_words` words; which, a hash
            of text and seed decides. All by default.
        max_length (`int`, *optional*, defaults to 512): tokens of a sentence, at most; what lies behind is not read.
        subsample (`float`, *optional*, defaults to 5e-6): the threshold t; an occurrence of a word of frequency f is
            kept with probability min(1, sqrt(t/f) + t/f).
        negatives (`int`, *optional*, defaults to 10): words drawn against each target, by the root of their counts.
        epochs (`int`, *optional*, defaults to 5): passes over the text.
        learning_rate (`float`, *optional*, defaults to 1e-3): of Adam, on the rows that a step touches.
        targets_per_step (`int`, *optional*, defaults to 1024): over which the loss of a step is the mean.
        seed (`int`, *optional*, defaults to 42): of what is drawn.
        dtype (`str`, *optional*, defaults to `"float32"`): in which the encoder computes.
    """

    method: Method = "x2static"
    layer: int = 6
    context: Context = "without-target"
    special_tokens: bool = True
    init: Init = "pooled"
    lower_case: bool = True
    min_count: int = 10
    max_words: int = 200_000
    min_words: int = 7
    max_sentences: int | None = None
    max_length: int = 512
    subsample: float = 5e-6
    negatives: int = 10
    epochs: int = 5
    learning_rate: float = 1e-3
    targets_per_step: int = 1024
    seed: int = 42
    dtype: Dtype = "float32"

    def __post_init__(self) -> None:
        for name, kind in (("method", Method), ("context", Context), ("init", Init), ("dtype", Dtype)):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"{name} is {getattr(self, name)!r}; needed is one of {', '.join(get_args(kind))}")
        positive = ("min_count", "max_words", "min_words", "negatives", "epochs", "targets_per_step")
        for name in (*positive, "subsample", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; needed is more than 0")
        if self.max_sentences is not None and self.max_sentences < 1:
            raise ValueError(f"max_sentences is {self.max_sentences}; needed is 1 or more, or nothing for all")
        if self.layer < 0 or self.seed < 0:
            raise ValueError(f"layer ({self.layer}) and seed ({self.seed}) must not be negative")

    @property
    def needs_targets(self) -> bool:
        """Whether occurrences are drawn and their contexts kept."""
        return self.method == "x2static"

    @property
    def needs_pooling(self) -> bool:
        """Whether the mean state of each word is needed."""
        return self.method == "pooled" or (self.method == "x2static" and self.init == "pooled")
