"""A folder that `SentenceTransformer` loads, whose vectors are those of [`hf_mplm.load_encoder`]."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from hf_mplm.evaluation.loading import position_limit
from hf_mplm.jobs.files import atomic_write, write_json

from .stock_encoder import StockEncoder, save_tokenizer


__all__ = ["MAX_LENGTH", "write_modules", "write_sentence_folder"]

MAX_LENGTH = 512
"""Longest input in tokens, as evaluation has it, unless the encoder has fewer positions."""

# The names that versions 2 to 6 of sentence-transformers find.
_TRANSFORMER = "sentence_transformers.models.Transformer"
_POOLING = "sentence_transformers.models.Pooling"
_DENSE = "sentence_transformers.models.Dense"
_POOLING_FOLDER, _DENSE_FOLDER = "1_Pooling", "2_Dense"


def write_sentence_folder(encoder: StockEncoder, folder: Path, mean: np.ndarray | None = None) -> None:
    """Write encoder, tokenizer and modules.

    Args:
        encoder (`StockEncoder`): The encoder.
        folder (`Path`): An empty folder.
        mean (`np.ndarray`, *optional*): Vector that is subtracted from each sentence's. Shape: (hidden size,).
    """
    encoder.model.save_pretrained(folder)
    save_tokenizer(encoder, folder)
    write_modules(encoder, folder, mean)


def write_modules(encoder: StockEncoder, folder: Path, mean: np.ndarray | None = None) -> None:
    """Write what says how the states become vectors: the files that stand beside an encoder's own.

    Args:
        encoder (`StockEncoder`): The encoder.
        folder (`Path`): Its folder.
        mean (`np.ndarray`, *optional*): Vector that is subtracted from each sentence's. Shape: (hidden size,).
    """
    size = int(encoder.model.config.hidden_size)
    modules = [_module(0, "", _TRANSFORMER), _module(1, _POOLING_FOLDER, _POOLING)]
    if mean is not None:
        modules.append(_module(2, _DENSE_FOLDER, _DENSE))
    with atomic_write(folder / "modules.json") as handle:
        handle.write(json.dumps(modules, indent=2).encode())
    write_json(folder / "sentence_bert_config.json", _transformer(encoder))
    write_json(
        folder / "config_sentence_transformers.json",
        {"similarity_fn_name": "cosine", "prompts": {}, "default_prompt_name": None},
    )
    (folder / _POOLING_FOLDER).mkdir()
    modes = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")
    write_json(
        folder / _POOLING_FOLDER / "config.json",
        {"word_embedding_dimension": size, **{f"pooling_mode_{mode}": mode == "mean_tokens" for mode in modes}},
    )
    if mean is not None:
        _write_centring(folder / _DENSE_FOLDER, mean)


def _transformer(encoder: StockEncoder) -> dict[str, Any]:
    limit = min(MAX_LENGTH, position_limit(encoder.model, encoder.tokenizer))
    settings: dict[str, Any] = {"max_seq_length": limit, "do_lower_case": False}
    if not encoder.is_cut:
        output = {"method": "forward", "method_output_name": ["hidden_states", encoder.layer]}
        settings |= {"modality_config": {"text": output}, "module_output_name": "token_embeddings"}
    return settings


def _write_centring(folder: Path, mean: np.ndarray) -> None:
    """A linear layer that does nothing but subtract a vector."""
    size = len(mean)
    folder.mkdir()
    settings = {"in_features": size, "out_features": size, "bias": True}
    write_json(folder / "config.json", {**settings, "activation_function": "torch.nn.modules.linear.Identity"})
    tensors: dict[str, np.ndarray] = {
        "linear.weight": np.eye(size, dtype=np.float32),
        "linear.bias": -mean.astype(np.float32),
    }
    with atomic_write(folder / "model.safetensors") as handle:
        handle.write(save(tensors))


def _module(index: int, path: str, kind: str) -> Mapping[str, Any]:
    return {"idx": index, "name": str(index), "path": path, "type": kind}
