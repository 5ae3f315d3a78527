"""Sentences to token ids, a batch at a time, as NumPy arrays."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from .word_table import WordTable, encode_whole, splits_at_spaces


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["EncoderSpec", "encode_sentences", "hash_sentences", "save_encoder"]

_BACKEND_FILE = "backend.json"


@dataclass(frozen=True)
class EncoderSpec:
    """What a worker needs to know to tokenize as the tokenizer does.

    Args:
        folder (`str`): where the tokenizer's files are.
        prefix (`tuple[int, ...]`): ids before each sentence, `<s>`.
        suffix (`tuple[int, ...]`): ids after each sentence, `</s>`.
        unknown (`int`): id of the unknown token, -1 if there is none.
        special (`tuple[int, ...]`): ids that no text may bring forth.
    """

    folder: str
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    unknown: int
    special: tuple[int, ...]


def save_encoder(tokenizer: PreTrainedTokenizerBase, folder: Path) -> EncoderSpec:
    """Write what `encode_sentences` reads, which takes no `transformers` in the workers.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): a fast tokenizer with `<s>` and `</s>` or their like.
        folder (`Path`): receives the files.

    Raises:
        ValueError: if the tokenizer has nothing to put around a sentence.
    """
    prefix, suffix = _around(tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _BACKEND_FILE).write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    unknown = tokenizer.unk_token_id
    special = set(tokenizer.all_special_ids) - {unknown}
    return EncoderSpec(str(folder), prefix, suffix, -1 if unknown is None else unknown, tuple(sorted(special)))


def _around(tokenizer: PreTrainedTokenizerBase) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that the tokenizer itself puts before and after a sentence."""
    # Several probes, because a letter that the vocabulary lacks may come out as nothing at all.
    for probe in ("a", "1", "the"):
        plain = list(tokenizer(probe, add_special_tokens=False)["input_ids"])
        whole = list(tokenizer(probe)["input_ids"])
        for start in range(len(whole) - len(plain) + 1):
            if plain and len(whole) > len(plain) and whole[start : start + len(plain)] == plain:
                return tuple(whole[:start]), tuple(whole[start + len(plain) :])
    first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    last = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    if first is None or last is None:
        raise ValueError(
            f"{tokenizer.name_or_path}: this tokenizer has no tokens to begin and end a sentence with. Set cls_token "
            "and sep_token (or bos_token and eos_token)"
        )
    return (first,), (last,)


@lru_cache(maxsize=2)
def _load(spec: EncoderSpec) -> Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]:
    backend = Tokenizer.from_file(str(Path(spec.folder) / _BACKEND_FILE))
    # A tokenizer.json may carry both from its last use, and would cut long sentences without a word.
    backend.no_truncation()
    backend.no_padding()
    # "</s>" in a text is four characters of that text.
    backend.encode_special_tokens = True
    return WordTable(backend).encode if splits_at_spaces(backend) else partial(encode_whole, backend)


def encode_sentences(spec: EncoderSpec, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokenize sentences.

    Args:
        spec (`EncoderSpec`): the tokenizer.
        texts (`Sequence[str]`): sentences, at least one.

    Returns:
        `tuple[np.ndarray, np.ndarray, np.ndarray]`: the ids of all sentences one after the other, each with what
        stands around it; the length of each, 0 for a sentence that gave no tokens; and how many of its tokens came as
        special ones although they were text (they are the unknown token now). Shapes: (tokens,), (sentences,),
        (sentences,).
    """
    body, lengths = _load(spec)(texts)
    stray = np.isin(body, spec.special)
    n_stray = np.zeros(len(lengths), dtype=np.int64)
    if stray.any():
        # A Unigram model lists its special tokens among its pieces and may find them in the text.
        np.add.at(n_stray, np.repeat(np.arange(len(lengths)), lengths)[stray], 1)
        body[stray] = spec.unknown if spec.unknown >= 0 else spec.special[0]
    around = len(spec.prefix) + len(spec.suffix)
    whole = np.where(lengths > 0, lengths + around, 0)
    kept = whole[whole > 0]
    stops = np.cumsum(kept)
    starts = stops - kept
    tokens = np.empty(int(kept.sum()), dtype=np.int32)
    is_body = np.ones(len(tokens), dtype=bool)
    for offset, token in enumerate(spec.prefix):
        tokens[starts + offset] = token
        is_body[starts + offset] = False
    for offset, token in enumerate(reversed(spec.suffix), start=1):
        tokens[stops - offset] = token
        is_body[stops - offset] = False
    tokens[is_body] = body
    return tokens, whole, n_stray


def unknown_characters(spec: EncoderSpec, texts: Sequence[str]) -> int:
    """Count the characters of sentences, white space aside, that the tokenizer does not know.

    A character is unknown if it gives the unknown token where it stands alone; each is asked about once a process.

    Args:
        spec (`EncoderSpec`): the tokenizer.
        texts (`Sequence[str]`): sentences.
    """
    if spec.unknown < 0:
        return 0
    counts = Counter("".join(texts))
    known = _characters.setdefault(spec.folder, {})
    new = [character for character in counts if character not in known and not character.isspace()]
    if new:
        body, lengths = _load(spec)(new)
        lost = np.add.reduceat(np.append(body == spec.unknown, False), np.append(0, np.cumsum(lengths))[:-1])
        known.update(zip(new, ((lost > 0) & (np.asarray(lengths) > 0)).tolist()))
    return sum(count for character, count in counts.items() if known.get(character))


_characters: dict[str, dict[str, bool]] = {}


def hash_sentences(texts: Sequence[str], seed: int) -> np.ndarray:
    """A number per sentence that depends on its text and the seed alone. Shape: (sentences,)."""
    key = json.dumps(seed).encode()
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8, key=key).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8")
