"""What the evaluation benchmarks share: an encoder of a given shape with a tokenizer of the benchmark's own texts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, XLMRobertaConfig, XLMRobertaModel

from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, train_tokenizer


# The benchmarks' data are not part of the project.
DATA_DIR = Path(os.environ.get("HF_MPLM_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
VOCAB_SIZE = 16_000


def make_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """A tokenizer trained on the texts: lengths are then those of a vocabulary that knows all languages."""
    with tempfile.TemporaryDirectory() as folder:
        train_tokenizer(texts, Path(folder), vocab_size=VOCAB_SIZE)
        return load_tokenizer(Path(folder))


def encoder_config(vocab_size: int, layers: int, hidden_size: int = 768) -> XLMRobertaConfig:
    """XLM-R base, or one that is shallower or narrower."""
    return XLMRobertaConfig(
        vocab_size=vocab_size,
        num_hidden_layers=layers,
        hidden_size=hidden_size,
        num_attention_heads=hidden_size // 64,
        intermediate_size=4 * hidden_size,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )


def make_encoder(vocab_size: int, layers: int, hidden_size: int = 768) -> PreTrainedModel:
    """XLM-R base with random weights, which cost what learned ones cost."""
    torch.manual_seed(0)
    return XLMRobertaModel(encoder_config(vocab_size, layers, hidden_size), add_pooling_layer=False).eval()
