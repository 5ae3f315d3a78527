"""Tokenizers: training, loading, growing, and telling one from another."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from hf_mplm.data.sentencepiece_model import train_model, write_tokenizer_files


__all__ = ["load_tokenizer", "train_tokenizer"]

logger = logging.getLogger(__name__)


def train_tokenizer(
    texts: Iterable[str],
    output: str | Path,
    *,
    vocab_size: int,
    character_coverage: float = 0.9995,
    num_threads: int = 4,
) -> None:
    model = train_model(
        texts,
        vocab_size=vocab_size - 2,
        character_coverage=character_coverage,
        num_threads=num_threads,
        max_sentence_length=8192,
        seed_sentencepiece_size=1_000_000,
    )
    write_tokenizer_files(model, output)


def load_tokenizer(name_or_path: str | Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(str(name_or_path))
