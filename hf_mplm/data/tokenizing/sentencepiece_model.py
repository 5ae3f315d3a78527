"""SentencePiece models that the tokenizers of both stacks reproduce, id for id.

The fast `XLMRobertaTokenizer` (on transformers 5.x it is rebuilt from vocabulary and character map whatever its
`tokenizer.json` says) differs from SentencePiece in three ways, each of which is met in the model itself:

- Its `Precompiled` normaliser goes by grapheme clusters. A cluster of up to five bytes becomes the replacement of its
  shortest known prefix and the rest is lost; in a longer one, characters are replaced one by one. SentencePiece
  replaces the longest match anywhere. So `nmt_nfkc` is kept one character at a time, without its compositions
  (a base letter with a tone mark would lose the mark in one and not in the other); where a lone
  replacement and a mark may stand together, the model is told to do what the fast tokenizer does.
- It splits at every Unicode space. U+0085, the one such character that `nmt_nfkc` leaves alone, becomes a space.
- It adds scores in double precision, SentencePiece in single precision, so that near-ties fall differently. Scores are
  rounded to multiples of 2^-6, whose sums are exact in both (in single precision up to 262,144, some 25,000 tokens).

What is left are compatibility characters (a full-width letter, an Arabic presentation form) under several marks, or
under a mark of another script: the fast normaliser cannot tell these from what it does with one mark.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import re
import sys
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece
from google.protobuf.message import Message
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram
from transformers import PreTrainedTokenizerBase


__all__ = [
    "MODEL_FILE",
    "SCORE_STEPS_PER_UNIT",
    "SPECIAL_TOKENS",
    "model_of_tokenizer",
    "normalization_rules",
    "train_model",
    "write_tokenizer_files",
]

model_pb2: Any = sentencepiece_model_pb2  # generated code, whose classes no type checker sees

MODEL_FILE = "sentencepiece.bpe.model"
# fairseq's order, which XLM-R's checkpoints have: SentencePiece's own `<unk>`, `<s>`, `</s>` are replaced by the first
# four, pieces follow with SentencePiece's id + 1, `<mask>` is the last id.
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")
MASK_TOKEN = "<mask>"
SCORE_STEPS_PER_UNIT = 64  # powers of two only: the products and quotients are exact

# Marks that follow replaced characters in writing. A replaced character of up to three bytes and a mark of two make a
# cluster of at most five, which is where the fast normaliser drops the mark.
_ANY_MARK = (0x0300, 0x07FF)
_MARKS_AFTER = (
    ((0x00A1, 0x2FFF), (0x0300, 0x036F)),
    ((0xFB00, 0xFB17), (0x0300, 0x036F)),
    ((0xFF01, 0xFF5E), (0x0300, 0x036F)),
    ((0xFB1D, 0xFB4F), (0x0591, 0x05C7)),
    ((0xFB50, 0xFDFF), (0x0610, 0x06ED)),
    ((0xFE70, 0xFEFC), (0x0610, 0x06ED)),
)
# Three bytes: only with a character of two do they make a short cluster.
_JOINERS_AND_SELECTORS = (0x200C, 0x200D, 0xFE0E, 0xFE0F)


@functools.lru_cache(maxsize=1)
def normalization_rules() -> dict[str, str]:
    """The character map that both tokenizers apply alike: `nmt_nfkc`, one character at a time.

    Returns:
        `dict[str, str]`: what is replaced, and by what; a replacement may be empty.
    """
    normalizer = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc", add_dummy_prefix=False, remove_extra_whitespaces=False, escape_whitespaces=False
    )
    rules = {"\x85": " "}
    for code in range(1, sys.maxunicode + 1):
        if 0xAC00 <= code <= 0xD7A3 or 0xD800 <= code <= 0xDFFF or code > 0x323AF and code < 0xE0000:
            continue  # Hangul syllables, surrogates and empty planes stand for themselves
        character = chr(code)
        replacement = normalizer.normalize(character)
        if replacement != character:
            rules[character] = replacement
    for character, replacement in list(rules.items()):
        for mark in _marks_after(character):
            rules[character + mark] = replacement
    return rules


def _marks_after(character: str) -> list[str]:
    """The marks that the fast normaliser drops after `character`, as far as they are found there in writing."""
    code, length, category = ord(character), len(character.encode()), unicodedata.category(character)
    if length not in (2, 3) or category in ("Cc", "Cf", "Zl", "Zp"):  # a control character ends a cluster
        return []
    if category == "Zs":  # a detached mark of any script stands on a no-break space
        spans = [_ANY_MARK, (0x0800, 0xFFFF)] if length == 2 else [_ANY_MARK]
    else:
        spans = [marks for (first, last), marks in _MARKS_AFTER if first <= code <= last]
        spans += [(joiner, joiner) for joiner in _JOINERS_AND_SELECTORS if length == 2]
    marks = (chr(mark) for first, last in spans for mark in range(first, last + 1))
    return [
        mark for mark in marks if unicodedata.category(mark) in ("Mn", "Me", "Mc") or ord(mark) in (0x200C, 0x200D)
    ]


def train_model(
    sentences: Iterable[str],
    *,
    vocab_size: int,
    character_coverage: float,
    num_threads: int,
    max_sentence_length: int,
    seed_sentencepiece_size: int,
) -> Message:
    """Train a SentencePiece Unigram model (Kudo, 2018) on sentences that have been drawn already.

    Args:
        sentences (`Iterable[str]`): what to train on, in the order in which it is read.
        vocab_size (`int`): pieces, SentencePiece's own three special ones included.
        character_coverage (`float`): the share of character occurrences that must be in the vocabulary.
        num_threads (`int`): threads of the trainer. The result depends on it (order of summation).
        max_sentence_length (`int`): bytes; longer sentences are left out by the trainer.
        seed_sentencepiece_size (`int`): candidate pieces that the trainer starts from.

    Returns:
        `ModelProto`: the model, its scores rounded to multiples of 2^-6.

    Raises:
        ValueError: where the text is too small or too large in characters for `vocab_size`.
    """
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        lines = (
            f"{' '.join(f'{ord(c):X}' for c in source)}\t{' '.join(f'{ord(c):X}' for c in target)}\n"
            for source, target in sorted(normalization_rules().items())
        )
        rules.write_text("".join(lines), encoding="ascii")
        buffer = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(sentences),
                model_writer=buffer,
                model_type="unigram",
                vocab_size=vocab_size,
                character_coverage=character_coverage,
                num_threads=num_threads,
                max_sentence_length=max_sentence_length,
                seed_sentencepiece_size=seed_sentencepiece_size,
                normalization_rule_tsv=str(rules),
                unk_id=0,
                bos_id=1,
                eos_id=2,
                pad_id=-1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise ValueError(_explain(str(error), vocab_size)) from error
    model = model_pb2.ModelProto.FromString(buffer.getvalue())
    model.normalizer_spec.normalization_rule_tsv = ""  # the temporary path: the same text must give the same bytes
    for piece in model.pieces:
        piece.score = round(piece.score * SCORE_STEPS_PER_UNIT) / SCORE_STEPS_PER_UNIT
    return model


def _explain(message: str, vocab_size: int) -> str:
    """SentencePiece's two usual refusals, in entries of the tokenizer, which has `<pad>` and `<mask>` besides."""
    given = f"a vocabulary of {vocab_size + 2} entries is too"
    if found := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return (
            f"{given} small for the characters of this text: give --vocab_size {int(found[1]) + 2} or more, or a "
            "smaller --character_coverage (0.98 at least)"
        )
    if found := re.search(r"Please set it to a value <= (\d+)", message):
        return f"{given} large for this text: give --vocab_size {int(found[1]) + 2} or less, or more text"
    return f"SentencePiece could not train on this text: {message}"


def write_tokenizer_files(model: Message, output: str | Path, *, model_max_length: int = 512) -> None:
    """Write a SentencePiece model as the files of an `XLMRobertaTokenizer`, the same bytes on both stacks.

    Args:
        model (`ModelProto`): the model; its first three pieces are `<unk>`, `<s>` and `</s>`.
        output (`str` or `Path`): the folder, made where it is missing.
        model_max_length (`int`, *optional*, defaults to 512): tokens, special ones included.
    """
    pieces = [(piece.piece, piece.score) for piece in model.pieces[3:]]
    vocabulary = [*((token, 0.0) for token in SPECIAL_TOKENS), *pieces, (MASK_TOKEN, 0.0)]
    backend = Tokenizer(Unigram(vocabulary, unk_id=3, byte_fallback=False))
    backend.normalizer = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
    # What transformers 5.x builds for this class, whatever the file says: 4.57 reads the file.
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS])
    backend.add_special_tokens([AddedToken(MASK_TOKEN, lstrip=True, normalized=False, special=True)])

    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(model.SerializeToString(deterministic=True))
    backend.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "XLMRobertaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "cls_token": "<s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "mask_token": MASK_TOKEN,
        "model_max_length": model_max_length,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def model_of_tokenizer(tokenizer: PreTrainedTokenizerBase) -> Message:
    """Rebuild the SentencePiece model of an XLM-R tokenizer from what the tokenizer itself holds.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): a fast tokenizer in XLM-R's layout.

    Returns:
        `ModelProto`: vocabulary, scores and character map; what the trainer once wrote beside them is not known.

    Raises:
        ValueError: where the tokenizer has another layout or tokens beyond the model's.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str()) if tokenizer.is_fast else {"model": {}}
    entries = state["model"].get("vocab", [])
    tokens = [entry[0] for entry in entries] if isinstance(entries, list) else []
    if tuple(tokens[:4]) != SPECIAL_TOKENS or tokens[-1] != MASK_TOKEN:
        raise ValueError(
            f"{tokenizer.name_or_path!r} ({type(tokenizer).__name__}) has not the layout of XLM-R's tokenizer: a "
            f"Unigram vocabulary from {', '.join(SPECIAL_TOKENS)} to {MASK_TOKEN}. For another kind, add tokens with "
            "tokenizer.add_tokens([...]) and grow the model with extend_vocabulary"
        )
    extra = [token["content"] for token in state["added_tokens"] if token["id"] >= len(tokens)]
    if extra:
        raise ValueError(
            f"{tokenizer.name_or_path!r} has tokens that its SentencePiece model does not: {', '.join(extra)}; "
            "start from the tokenizer without them"
        )
    normalizer = state["normalizer"] or {}
    steps = normalizer.get("normalizers", [normalizer])
    charsmap = next((step["precompiled_charsmap"] for step in steps if step.get("type") == "Precompiled"), "")
    model = model_pb2.ModelProto()
    model.pieces.add(piece="<unk>", score=0.0, type=model_pb2.ModelProto.SentencePiece.UNKNOWN)
    model.pieces.add(piece="<s>", score=0.0, type=model_pb2.ModelProto.SentencePiece.CONTROL)
    model.pieces.add(piece="</s>", score=0.0, type=model_pb2.ModelProto.SentencePiece.CONTROL)
    for piece, score in entries[4:-1]:
        model.pieces.add(piece=piece, score=score)
    model.trainer_spec.model_type = model_pb2.TrainerSpec.UNIGRAM
    model.trainer_spec.vocab_size = len(model.pieces)
    model.trainer_spec.pad_id = -1
    model.normalizer_spec.name = "user_defined"
    model.normalizer_spec.precompiled_charsmap = base64.b64decode(charsmap)
    return model
