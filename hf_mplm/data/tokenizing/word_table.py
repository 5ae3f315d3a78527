"""Tokenizing a word once: most words of a text have been seen before, and many tokenizers read word by word."""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer


__all__ = ["WordTable", "encode_whole", "splits_at_spaces"]

# What is longer is hardly seen again: a sentence of a script without spaces, or an address.
_LONGEST_WORD = 48
_GROUP = 32
_MOST_WORDS = 1 << 18
_SPACE = "\u2581"
_OTHER_SPACE = re.compile(rf"[^\S ]|{_SPACE}")
# What joins a neighbouring space in one grapheme cluster, by which a normaliser goes: from behind the space
# (Grapheme_Cluster_Break Extend and SpacingMark), and from before it (Prepend), of Unicode 16. These are the ones that
# the general categories M and C leave out.
_FOLLOWERS = frozenset(map(chr, (0xE33, 0xEB3, 0xFF9E, 0xFF9F, *range(0x1F3FB, 0x1F400))))
_LEADERS = frozenset(
    map(chr, (0xD4E, 0x111C2, 0x111C3, 0x113D1, 0x1193F, 0x11941, 0x11A3A, *range(0x11A84, 0x11A8A), 0x11D46, 0x11F02))
)
_SPACE_PATTERNS = ({"Regex": " {2,}"}, {"String": " "})


def splits_at_spaces(backend: Tokenizer) -> bool:
    """Whether this tokenizer's ids of a text are those of its words, one after the other.

    True of XLM-R's (SentencePiece pieces that end at spaces) and BERT's; not of tokenizers that see bytes or whose
    pieces go across spaces.
    """
    state = json.loads(backend.to_str())
    if any(not token["special"] for token in state["added_tokens"]):
        return False
    model = state["model"]
    if model.get("dropout"):
        return False
    normalizers = _steps(state["normalizer"], "normalizers")
    splitters = _steps(state["pre_tokenizer"], "pretokenizers")
    kinds = [step["type"] for step in splitters]
    if model["type"] == "WordPiece":
        return kinds == ["BertPreTokenizer"] and [step["type"] for step in normalizers] == ["BertNormalizer"]
    if model["type"] != "Unigram" or kinds not in (["Metaspace"], ["WhitespaceSplit", "Metaspace"]):
        return False
    metaspace = splitters[-1]
    if (metaspace["replacement"], metaspace["prepend_scheme"], metaspace["split"]) != (_SPACE, "always", True):
        return False
    return all(_is_local(step) for step in normalizers)


def _steps(component: dict | None, key: str) -> list[dict]:
    if component is None:
        return []
    return [step for part in component[key] for step in _steps(part, key)] if key in component else [component]


def _is_local(step: dict) -> bool:
    return step["type"] in ("Precompiled", "Strip", "NFC", "NFKC") or (
        step["type"] == "Replace" and step["pattern"] in _SPACE_PATTERNS
    )


def encode_whole(backend: Tokenizer, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Tokenize texts as they are. Shapes of what is returned, ids and lengths: (tokens,), (texts,)."""
    # Without the offsets, which nobody reads here.
    ids = [encoding.ids for encoding in backend.encode_batch_fast(list(texts), add_special_tokens=False)]
    lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    return np.fromiter(itertools.chain.from_iterable(ids), dtype=np.int32, count=int(lengths.sum())), lengths


class WordTable:
    """Tokenize texts by looking their words up.

    A text goes to the tokenizer as a whole if one of its words could be read otherwise next to another: a word that is
    empty (two spaces), that begins or ends with a character that clings to a space, or that the normaliser turns into
    nothing or into several words.

    Args:
        backend (`Tokenizer`): a tokenizer of which `splits_at_spaces` is true.
    """

    def __init__(self, backend: Tokenizer) -> None:
        self.backend = backend
        vocabulary = backend.get_vocab()
        self._is_first = np.zeros(max(vocabulary.values()) + 1, dtype=bool)
        self._is_first[[token for piece, token in vocabulary.items() if piece.startswith(_SPACE)]] = True
        self._forget()

    def _forget(self) -> None:
        self._index: dict[str, int] = {}
        self._ids = np.empty(0, dtype=np.int32)
        self._starts = np.empty(0, dtype=np.int64)
        self._lengths = np.empty(0, dtype=np.int64)
        self._clings = np.empty(0, dtype=bool)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Tokenize texts.

        Args:
            texts (`Sequence[str]`): what to tokenize, not empty.

        Returns:
            `tuple[np.ndarray, np.ndarray]`: the ids of all texts one after the other, and the number of each text.
            Shapes: (tokens,), (texts,).
        """
        split = [text.split(" ") for text in texts]
        words = list(itertools.chain.from_iterable(split))
        if len(self._index) > _MOST_WORDS:
            self._forget()
        new = set(words).difference(self._index)
        if new:
            self._learn(list(new))
        index = np.fromiter(map(self._index.__getitem__, words), dtype=np.int64, count=len(words))
        counts = np.fromiter(map(len, split), dtype=np.int64, count=len(split))
        first = np.cumsum(counts) - counts
        whole = np.logical_or.reduceat(self._clings[index], first)
        index = index[np.repeat(~whole, counts)]
        lengths = self._lengths[index]
        shift = self._starts[index] - (np.cumsum(lengths) - lengths)
        ids = self._ids[np.repeat(shift, lengths) + np.arange(lengths.sum())]
        n_words = counts[~whole]
        n = np.empty(len(texts), dtype=np.int64)
        n[~whole] = np.add.reduceat(lengths, np.cumsum(n_words) - n_words) if len(n_words) else 0
        if not whole.any():
            return ids, n
        own, n[whole] = encode_whole(self.backend, list(itertools.compress(texts, whole)))
        both = np.empty(len(ids) + len(own), dtype=np.int32)
        is_own = np.repeat(whole, n)
        both[is_own] = own
        both[~is_own] = ids
        return both, n

    def _learn(self, words: list[str]) -> None:
        clings = np.fromiter(map(_clings_to_a_space, words), dtype=bool, count=len(words))
        lengths = np.zeros(len(words), dtype=np.int64)
        pieces = []
        candidates = np.flatnonzero(~clings)
        # Together, because a call for each word takes longer than the word.
        groups = [candidates[i : i + _GROUP] for i in range(0, len(candidates), _GROUP)]
        texts = [" ".join([words[i] for i in group]) for group in groups]
        ids_of_groups, n_ids = encode_whole(self.backend, texts)
        for group, text, ids in zip(groups, texts, np.split(ids_of_groups, np.cumsum(n_ids)[:-1])):
            counts = self._tokens_per_word(text, len(group), ids)
            if counts is None:
                alone = [words[i] for i in group]
                clings[group] = [self._is_not_one_word(word) for word in alone]
                ids, counts = encode_whole(self.backend, alone)
            lengths[group] = counts
            pieces.append(ids)
        known = len(self._index)
        self._index.update(zip(words, range(known, known + len(words))))
        self._starts = np.append(self._starts, len(self._ids) + np.cumsum(lengths) - lengths)
        self._ids = np.concatenate([self._ids, *pieces])
        self._lengths = np.append(self._lengths, lengths)
        self._clings = np.append(self._clings, clings)

    def _tokens_per_word(self, text: str, n_words: int, ids: np.ndarray) -> np.ndarray | None:
        """How many tokens each word of a text has; None if the tokenizer sees other words in it."""
        normal = self._normalize(text)
        if len(normal.split(" ")) != n_words or "  " in normal or _OTHER_SPACE.search(normal):
            return None
        # A word has the mark of a space before it and nowhere else, so that as many marks as words are one for each.
        starts = np.flatnonzero(self._is_first[ids])
        return np.diff(starts, append=len(ids)) if len(starts) == n_words and starts[0] == 0 else None

    def _is_not_one_word(self, word: str) -> bool:
        normal = self._normalize(word)
        return not normal or " " in normal or bool(_OTHER_SPACE.search(normal))

    def _normalize(self, text: str) -> str:
        normalizer = self.backend.normalizer
        return text if normalizer is None else normalizer.normalize_str(text)


def _clings_to_a_space(word: str) -> bool:
    if not word or len(word) > _LONGEST_WORD:
        return True
    if word[0] in _FOLLOWERS or word[-1] in _LEADERS:
        return True
    # C has the unassigned ones: what this Python does not know yet, a newer tokenizer may.
    return unicodedata.category(word[0])[0] in "MC" or unicodedata.category(word[-1])[0] == "C"
