"""Tiny tokenizers and models that every test shares: real text in twelve scripts, two layers of width 32, seeded."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedTokenizerBase,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from hf_mplm.data.tokenizing.tokenizers import train_tokenizer


CORPUS = Path(__file__).parent / "assets" / "udhr"
TINY_VOCAB_SIZE = 800
HIDDEN_SIZE = 32
NUM_LAYERS = 2
TINY_SIZES = {
    "hidden_size": HIDDEN_SIZE,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 2 * HIDDEN_SIZE,
    "pad_token_id": 1,
}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def corpus_lines(*codes: str) -> list[tuple[str, str]]:
    """(language-script, line) pairs of the small corpus: of all language-scripts, or of those named."""
    files = sorted(CORPUS.glob("*.txt"))
    return [
        (file.stem, line)
        for file in files
        if not codes or file.stem in codes
        for line in file.read_text(encoding="utf-8").splitlines()
    ]


def build_tiny_tokenizer(folder: Path, vocab_size: int = TINY_VOCAB_SIZE) -> PreTrainedTokenizerBase:
    """An `XLMRobertaTokenizer` trained on the small corpus, written to `folder` and loaded from there."""
    lines = (line for _, line in corpus_lines())
    return train_tokenizer(lines, folder, vocab_size=vocab_size, character_coverage=0.98, num_threads=1)


def tiny_xlm_roberta(vocab_size: int = TINY_VOCAB_SIZE, *, seed: int = 0, **config: object) -> XLMRobertaForMaskedLM:
    """A stock XLM-R masked-LM model in eval mode; dropout is off unless `config` says otherwise."""
    settings = {
        **TINY_SIZES,
        "max_position_embeddings": 130,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        **NO_DROPOUT,
        "bos_token_id": 0,
        "eos_token_id": 2,
        **config,
    }
    torch.manual_seed(seed)
    return XLMRobertaForMaskedLM(XLMRobertaConfig(vocab_size=vocab_size, **settings)).eval()


def tiny_bert(vocab_size: int = TINY_VOCAB_SIZE, *, seed: int = 0, **config: object) -> BertForMaskedLM:
    """A stock BERT masked-LM model in eval mode; dropout is off unless `config` says otherwise."""
    settings = {
        **TINY_SIZES,
        "max_position_embeddings": 128,
        **NO_DROPOUT,
        **config,
    }
    torch.manual_seed(seed)
    return BertForMaskedLM(BertConfig(vocab_size=vocab_size, **settings)).eval()


def tiny_modernbert(vocab_size: int = TINY_VOCAB_SIZE, *, seed: int = 0, **config: object) -> ModernBertForMaskedLM:
    """A stock ModernBERT masked-LM model in eval mode, one layer with global and one with local attention."""
    settings = {
        **TINY_SIZES,
        "max_position_embeddings": 128,
        "global_attn_every_n_layers": 2,
        "local_attention": 16,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "cls_token_id": 0,
        "sep_token_id": 2,
        "attn_implementation": "sdpa",
        "reference_compile": False,
        **config,
    }
    torch.manual_seed(seed)
    return ModernBertForMaskedLM(ModernBertConfig(vocab_size=vocab_size, **settings)).eval()
