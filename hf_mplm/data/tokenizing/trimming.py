"""Cutting a vocabulary to the tokens that some text uses, so that this text keeps its segmentation.

Why it does: the best segmentation of a Unigram model and the longest match of WordPiece are chosen among the tokens
that there are, so that fewer candidates cannot displace a choice that is still there. A BPE applies the earliest merge
that fits, so that every token that is met on the way to a kept one is kept with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from .backend import backend_state, has_xlm_roberta_layout, merges_of, vocabulary_of, write_backend
from .sentencepiece_model import model_of_tokenizer, write_tokenizer_files
from .tokenizers import load_tokenizer


__all__ = ["TrimmedVocabulary", "choose_tokens", "write_trimmed_tokenizer"]


@dataclass(frozen=True)
class TrimmedVocabulary:
    """Which ids of a vocabulary stay; the position of an id in `kept` is its new id.

    Args:
        kept (`np.ndarray`): old ids, rising. Shape: (kept,).
        num_old (`int`): ids of the old tokenizer.
    """

    kept: np.ndarray
    num_old: int

    def new_ids(self) -> np.ndarray:
        """Old id to new id, -1 where a token was cut. Shape: (old ids,)."""
        table = np.full(self.num_old, -1, dtype=np.int64)
        table[self.kept] = np.arange(len(self.kept))
        return table


def choose_tokens(
    tokenizer: PreTrainedTokenizerBase,
    counts: np.ndarray,
    *,
    min_count: int = 1,
    keep_top: int = 0,
    characters: str = "all",
) -> TrimmedVocabulary:
    """Choose the tokens that stay: those of the text, and those without which it would be cut otherwise.

    Kept besides: special and added tokens, every byte and every single character, or those of the text (other text
    becomes longer, not unknown), of a Unigram model the piece of the lowest score (the price of an unknown character
    depends on it), and of a BPE all parts of what is kept.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): a Unigram, WordPiece or BPE tokenizer of the `tokenizers` library.
        counts (`np.ndarray`): how often the text has each id. Shape: (ids,).
        min_count (`int`, *optional*, defaults to 1): tokens below it are cut. Above 1, text with rarer tokens is cut
            into smaller ones.
        keep_top (`int`, *optional*, defaults to 0): keep besides so many of the most frequent tokens of the text that
            the tokenizer was trained on: the best scores of a Unigram model, the first merges of a BPE, the first ids
            of WordPiece.
        characters (`str`, *optional*, defaults to `"all"`): the single characters that stay, `"all"` of the vocabulary
            or those of the `"text"` alone, however rare; any other character is unknown then.

    Returns:
        [`TrimmedVocabulary`]: the choice.

    Raises:
        ValueError: if the tokenizer is of another kind, or `characters` is something else.
    """
    if characters not in ("all", "text"):
        raise ValueError(f"characters={characters!r}; needed is 'all' or 'text'")
    state = backend_state(tokenizer)
    model = state["model"]
    vocabulary = vocabulary_of(model)
    size = max([*vocabulary.values(), *(token["id"] for token in state["added_tokens"])]) + 1
    added = {token["id"] for token in state["added_tokens"]}
    kept = np.zeros(size, dtype=bool)
    kept[: len(counts)] = counts[:size] >= min_count
    kept[sorted(added | set(tokenizer.all_special_ids))] = True
    prefix = model.get("continuing_subword_prefix") or ""
    for token, index in vocabulary.items():
        bare = token.removeprefix(prefix).removeprefix("▁") if prefix else token.removeprefix("▁")
        is_met = index < len(counts) and counts[index] > 0
        if (len(bare) <= 1 and (characters == "all" or is_met)) or _is_byte(token):
            kept[index] = True
    ordinary = [index for index in vocabulary.values() if index not in added]
    if model["type"] == "Unigram":
        scores = [score for _, score in model["vocab"]]
        # The specials' scores stand for nothing.
        ordinary.sort(key=lambda index: (-scores[index], index))
        kept[ordinary[-1]] = True
    else:
        ordinary.sort()
    kept[ordinary[:keep_top]] = True
    if model["type"] == "BPE":
        _keep_parts(kept, vocabulary, merges_of(model))
    known = np.zeros(size, dtype=bool)
    known[[*vocabulary.values(), *added]] = True
    return TrimmedVocabulary(np.flatnonzero(kept & known), size)


def write_trimmed_tokenizer(
    tokenizer: PreTrainedTokenizerBase, trimmed: TrimmedVocabulary, output: str | Path
) -> PreTrainedTokenizerBase:
    """Write a tokenizer with the chosen tokens alone.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): the whole one.
        trimmed ([`TrimmedVocabulary`]): what [`choose_tokens`] chose for it.
        output (`str` or `Path`): the folder.

    Returns:
        `PreTrainedTokenizerBase`: the smaller one, loaded from `output`.

    Raises:
        ValueError: if it does not come back with the ids that it should have, which is the case of tokenizers whose
            class builds a vocabulary of its own.
    """
    expected = _expected(tokenizer, trimmed)
    if not has_xlm_roberta_layout(tokenizer):
        new = trimmed.new_ids()
        state = _trimmed_state(backend_state(tokenizer), new)
        return write_backend(tokenizer, state, expected, output, new_id=lambda index: int(new[index]))
    model = model_of_tokenizer(tokenizer)
    pieces = [piece for piece in model.pieces[3:] if piece.piece in expected]
    del model.pieces[3:]
    model.pieces.extend(pieces)
    model.trainer_spec.vocab_size = len(model.pieces)
    write_tokenizer_files(model, output, model_max_length=tokenizer.model_max_length)
    return load_tokenizer(output)


def _is_byte(token: str) -> bool:
    return len(token) == 6 and token.startswith("<0x") and token.endswith(">")


def _keep_parts(kept: np.ndarray, vocabulary: dict[str, int], merges: Sequence[tuple[str, str]]) -> None:
    # A part may be the result of a later merge as well as of an earlier one, so that one pass need not be enough.
    triples = [(vocabulary[left + right], vocabulary[left], vocabulary[right]) for left, right in merges]
    before = -1
    while before != (before := int(kept.sum())):
        for whole, left, right in reversed(triples):
            if kept[whole]:
                kept[left] = kept[right] = True


def _expected(tokenizer: PreTrainedTokenizerBase, trimmed: TrimmedVocabulary) -> dict[str, int]:
    new = trimmed.new_ids()
    return {token: int(new[index]) for token, index in tokenizer.get_vocab().items() if new[index] >= 0}


def _trimmed_state(state: dict[str, Any], new: np.ndarray) -> dict[str, Any]:
    model = state["model"]
    if isinstance(model["vocab"], dict):
        stay = {token: int(new[index]) for token, index in model["vocab"].items() if new[index] >= 0}
        if model["type"] == "BPE":
            merges = merges_of(model)
            model["merges"] = [
                [left, right] for left, right in merges if left in stay and right in stay and left + right in stay
            ]
        model["vocab"] = stay
    else:
        model["vocab"] = [entry for index, entry in enumerate(model["vocab"]) if new[index] >= 0]
        model["unk_id"] = None if model["unk_id"] is None else int(new[model["unk_id"]])
    for token in state["added_tokens"]:
        token["id"] = int(new[token["id"]])
    if state["post_processor"]:
        _renumber(state["post_processor"], new)
    return state


def _renumber(part: dict[str, Any], new: np.ndarray) -> None:
    """Gives the ids in a post-processor their new values, whichever of the library's notations it has."""
    for inner in part.get("processors", []):
        _renumber(inner, new)
    for role in ("sep", "cls"):  # BertProcessing and RobertaProcessing: [token, id]
        if role in part:
            part[role][1] = int(new[part[role][1]])
    specials = part.get("special_tokens", {})
    for special in specials.values() if isinstance(specials, dict) else ():
        special["ids"] = [int(new[index]) for index in special["ids"]]
