"""A tiny encoder, and text of the sample in languages that are new to it or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.adapt import AdaptSettings
from hf_mplm.sample import iter_sample


def write_text(folder: Path, lines: dict[str, list[str]]) -> Path:
    """A corpus folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for code, texts in lines.items():
        (folder / f"{code}.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return folder


def sample_lines(code: str, count: int = 200, split: str = "train") -> list[str]:
    """Sentences of the sample."""
    return [row.text for row in iter_sample([code], split)][:count]


def save_encoder(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Path:
    """A checkpoint with its tokenizer."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_settings(model: Path, corpus: Path, **settings: Any) -> AdaptSettings:
    """Settings for a handful of steps on the CPU."""
    small = {"batch_size": 4, "chunk_length": 32, "max_steps": "6", "holdout": 5, "learning_rate": 1e-3}
    return AdaptSettings(model=str(model), corpus=(str(corpus),), **{**small, "use_cpu": True, **settings})
