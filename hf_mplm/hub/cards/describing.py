"""What a checkpoint is, in words: where it started, by which method, and its architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_mplm.report.table import format_cell, markdown_code


__all__ = ["ablation_lines", "describe_architecture", "is_local", "summarize"]


def is_local(model: str) -> bool:
    """Whether a model is named by a folder."""
    return Path(model).exists() or model.startswith((".", "/", "~"))


def _public(model: str) -> str:
    """A Hub id, or a folder's own name: where it lies on some machine is nobody's business."""
    return Path(model).name if is_local(model) else model


def summarize(config: Mapping[str, Any], languages: Sequence[str], base_model: str | None, from_scratch: bool) -> str:
    """What a checkpoint is, in two sentences.

    Args:
        config (`Mapping[str, Any]`): of the checkpoint.
        languages (`Sequence[str]`): that it was trained on.
        base_model (`str`, *optional*): what training started from.
        from_scratch (`bool`): whether that was nothing.
    """
    start = (
        f"continues the pretraining of {markdown_code(_public(base_model))}"
        if base_model
        else "was pretrained from scratch"
        if from_scratch
        else "was pretrained"
    )
    method = (
        f"by masked language modelling with LangSAMP: {' and '.join(_tables(config))} embeddings are added to the "
        "encoder's output before the LM head, so that the encoder itself has less need to encode them"
        if "languages" in config
        else "by masked language modelling"
    )
    count = f" on {len(languages)} language-scripts" if languages else ""
    return f"A multilingual encoder that {start}{count}, {method}. Trained with [hf_mplm](https://pypi.org/project/hf-mplm/)."


def describe_architecture(config: Mapping[str, Any]) -> str:
    """Its sizes, and LangSAMP's tables."""
    text = (
        f"{markdown_code(str(config.get('model_type')))}: {_number(config, 'num_hidden_layers')} layers, "
        f"{_number(config, 'hidden_size')} wide, {_number(config, 'num_attention_heads')} heads, a vocabulary of "
        f"{_number(config, 'vocab_size')}."
    )
    tables = [f"{len(config.get(f'{table}s', []))} {table} embeddings" for table in _tables(config)]
    return f"{text} Beside the LM head: {' and '.join(tables)}." if tables else text


def _tables(config: Mapping[str, Any]) -> list[str]:
    """LangSAMP's tables that a model has."""
    return [
        table
        for table in ("language", "script")
        if "languages" in config and config.get(f"use_{table}_embeddings", True)
    ]


def ablation_lines(config: Mapping[str, Any]) -> list[str]:
    """Which of LangSAMP's two tables was left out."""
    if "languages" not in config:
        return []
    return [f"ablation: no {table} embeddings" for table in ("language", "script") if table not in _tables(config)]


def _number(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    return f"{value:,}" if isinstance(value, int) else format_cell(None)
