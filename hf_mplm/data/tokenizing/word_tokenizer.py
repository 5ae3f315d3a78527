"""Words to subwords and windows, for whatever has one vector or one prediction a word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Window", "WordTokenizer", "Written"]

# Words that are tokenised in one call: enough for the tokenizer's threads, few enough to hold.
TOKENIZER_CHUNK = 4096


class Window(NamedTuple):
    """A run of words that fits into the model.

    Args:
        start (`int`): The first word.
        stop (`int`): The word after the last.
        input_ids (`np.ndarray`): Subwords with special tokens around them, int32. Shape: (length,).
        positions (`np.ndarray`): Where the first subword of each word stands, int32. Shape: (words,).
    """

    start: int
    stop: int
    input_ids: np.ndarray
    positions: np.ndarray


class Written(NamedTuple):
    """A sentence as it is written, and which of its tokens belong to its words.

    Args:
        input_ids (`np.ndarray`): Subwords with special tokens around them, int32. Shape: (length,).
        starts (`np.ndarray`): The first token of each word, int64. Shape: (words,).
        stops (`np.ndarray`): The token after its last one; `starts` for a word that has none. Shape: (words,).
        n_cut (`int`): Words of which at least a token lies behind `max_length`; they have no token.
    """

    input_ids: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    n_cut: int


class WordTokenizer:
    """Tokenises each word by itself, as the papers' taggers do, and cuts sentences into windows.

    Equal words are tokenised once. A word in which the tokenizer finds nothing, such as a lone no-break space, becomes
    the unknown token, so that it is scored like every other. Where a tokenizer tells a word at the start of a text
    from one after a space (byte-level and Gemma vocabularies), the one after a space is meant.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the encoder.
        max_length (`int`): Longest window in tokens, special tokens included.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.prefix, self.suffix = _special_frame(tokenizer)
        self.room = max_length - len(self.prefix) - len(self.suffix)
        if self.room < 1:
            raise ValueError(f"max_length {max_length} leaves no room between the special tokens; give a larger one")
        self.space = "" if _ids(tokenizer, "a") == _ids(tokenizer, " a") else " "
        stand_in = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.mask_token_id
        self._stand_in = stand_in
        self._cache: dict[str, np.ndarray] = {}
        self.n_empty = 0

    def add(self, sentences: Sequence[Sequence[str]]) -> None:
        """Tokenise the words of sentences that are not known yet.

        Args:
            sentences (`Sequence[Sequence[str]]`): Sentences as words.

        Raises:
            ValueError: If the tokenizer maps a word to nothing and has neither an unknown nor a mask token.
        """
        new = list(dict.fromkeys(word for words in sentences for word in words if word not in self._cache))
        for start in range(0, len(new), TOKENIZER_CHUNK):
            chunk = new[start : start + TOKENIZER_CHUNK]
            encoded = self.tokenizer(
                [self.space + word for word in chunk],
                add_special_tokens=False,
                padding=False,
                truncation=False,
                return_attention_mask=False,
                return_token_type_ids=False,
            )["input_ids"]
            for word, ids in zip(chunk, encoded):
                if not ids:
                    if self._stand_in is None:
                        raise ValueError(
                            f"the tokenizer maps the word {word!r} to nothing and has no unknown token for it; "
                            "remove the word from the data"
                        )
                    ids = [self._stand_in]
                    self.n_empty += 1
                self._cache[word] = np.asarray(ids[: self.room], dtype=np.int32)

    def windows(self, words: Sequence[str]) -> Iterator[Window]:
        """Cut a sentence into as few windows as its words allow, each word in exactly one of them.

        Args:
            words (`Sequence[str]`): The words of a sentence, known by [`WordTokenizer.add`].

        Yields:
            `Window`: The windows, in order.
        """
        start, length = 0, 0
        pieces: list[np.ndarray] = []
        for index, word in enumerate(words):
            ids = self._cache[word]
            if length + len(ids) > self.room:
                yield self._window(start, index, pieces)
                start, length, pieces = index, 0, []
            pieces.append(ids)
            length += len(ids)
        if pieces:
            yield self._window(start, len(words), pieces)

    def whole(self, words: Sequence[str]) -> Window | None:
        """Put a whole sentence into one window, cutting the last subwords of its longest words where it must.

        Args:
            words (`Sequence[str]`): The words of a sentence, known by [`WordTokenizer.add`].

        Returns:
            `Window`: The window, or `None` if not even the first subword of each word fits.
        """
        if len(words) > self.room:
            return None
        pieces = [self._cache[word] for word in words]
        lengths = np.array([len(piece) for piece in pieces])
        # The largest number of subwords a word may keep.
        keep = int(lengths.max())
        while np.minimum(lengths, keep).sum() > self.room:
            keep -= 1
        return self._window(0, len(words), [piece[:keep] for piece in pieces])

    def as_written(self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]]) -> list[Written]:
        """Tokenise sentences as they are written, with whatever stands between words, and find the words' tokens.

        A token that reaches over the border of two words, as there are where words are not set apart, belongs to both.

        Args:
            texts (`Sequence[str]`): Sentences.
            spans (`Sequence[Sequence[tuple[int, int]]]`): Where the words of each begin and end, in characters.

        Raises:
            ValueError: If the tokenizer does not say which characters a token stands for.
        """
        if not self.tokenizer.is_fast:
            raise ValueError(
                f"the tokenizer of {self.tokenizer.name_or_path} does not say which characters a token stands for; "
                "needed is a fast one, with a tokenizer.json"
            )
        written = []
        for start in range(0, len(texts), TOKENIZER_CHUNK):
            encoded = self.tokenizer(
                list(texts[start : start + TOKENIZER_CHUNK]),
                add_special_tokens=False,
                padding=False,
                truncation=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                return_offsets_mapping=True,
                verbose=False,
            )
            for ids, offsets, words in zip(encoded["input_ids"], encoded["offset_mapping"], spans[start:]):
                written.append(self._written(ids, offsets, words))
        return written

    def _written(
        self, ids: Sequence[int], offsets: Sequence[tuple[int, int]], words: Sequence[tuple[int, int]]
    ) -> Written:
        characters = np.asarray(offsets, dtype=np.int64).reshape(-1, 2)
        borders = np.asarray(words, dtype=np.int64).reshape(-1, 2)
        starts = np.searchsorted(characters[:, 1], borders[:, 0], side="right")
        stops = np.maximum(starts, np.searchsorted(characters[:, 0], borders[:, 1], side="left"))
        cut = (stops > self.room) & (stops > starts)
        stops[cut] = starts[cut]
        row = np.concatenate([self.prefix, ids[: self.room], self.suffix]).astype(np.int32)
        return Written(row, starts + len(self.prefix), stops + len(self.prefix), int(cut.sum()))

    def _window(self, start: int, stop: int, pieces: Sequence[np.ndarray]) -> Window:
        lengths = [len(piece) for piece in pieces]
        positions = len(self.prefix) + np.cumsum([0, *lengths[:-1]])
        ids = np.concatenate([self.prefix, *pieces, self.suffix]).astype(np.int32)
        return Window(start, stop, ids, positions.astype(np.int32))


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, special: bool = False) -> list[int]:
    return list(tokenizer(text, add_special_tokens=special)["input_ids"])


def _special_frame(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Ask the tokenizer what it puts around a sequence, rather than knowing it of each family."""
    inner, outer = _ids(tokenizer, "a"), _ids(tokenizer, "a", special=True)
    for start in range(len(outer) - len(inner) + 1):
        if outer[start : start + len(inner)] == inner:
            return outer[:start], outer[start + len(inner) :]
    raise ValueError(f"the tokenizer gives {outer} for 'a' with special tokens and {inner} without: cannot tell them")
