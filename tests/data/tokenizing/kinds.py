"""Small tokenizers of the kinds that multilingual encoders have besides XLM-R's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizerFast, PreTrainedTokenizerBase, PreTrainedTokenizerFast


SPECIALS = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
_ROLES = ("unk_token", "cls_token", "sep_token", "pad_token", "mask_token")


def byte_level_bpe(lines: Sequence[str], vocab_size: int = 500) -> PreTrainedTokenizerBase:
    """As ModernBERT has it: special tokens stand behind the vocabulary."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet))
    backend.add_special_tokens(SPECIALS)
    around = [("[CLS]", backend.token_to_id("[CLS]")), ("[SEP]", backend.token_to_id("[SEP]"))]
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=around
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, **dict(zip(_ROLES, SPECIALS)))


def byte_fallback_bpe(lines: Sequence[str], vocab_size: int = 500) -> PreTrainedTokenizerBase:
    """As mmBERT has it (Gemma's): a space is a letter, and characters that the vocabulary lacks are bytes."""
    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="[UNK]"))
    backend.normalizer = normalizers.Replace(" ", "▁")
    special = [*SPECIALS, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=256 + vocab_size, special_tokens=special)
    # Words with the space before them, so that no merge crosses a space.
    words = [f"▁{word}" for line in lines for word in line.split()]
    backend.train_from_iterator(words, trainer)
    state = json.loads(backend.to_str())
    # The trainer adds bytes as special tokens; in such vocabularies they are ordinary ones.
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in SPECIALS]
    backend = Tokenizer.from_str(json.dumps(state))
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=backend, **dict(zip(_ROLES, SPECIALS)))


def word_piece(lines: Sequence[str], folder: Path, vocab_size: int = 400) -> PreTrainedTokenizerBase:
    """As mBERT has it."""
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    )
    backend.train_from_iterator(lines, trainer)
    vocabulary = backend.get_vocab()
    folder.mkdir(parents=True, exist_ok=True)
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    return BertTokenizerFast.from_pretrained(folder, do_lower_case=False, trust_remote_code=False)
