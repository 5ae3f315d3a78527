"""New tokens for a BPE or WordPiece vocabulary, learned from text on top of the old ones.

A Unigram model is extended by [`extend_tokenizer`], which sets the scores of two models to one scale.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase

from .backend import backend_state, merges_of, vocabulary_of, write_backend


__all__ = ["learn_tokens"]

logger = logging.getLogger(__name__)

# A letter for each old token, none of which is white space, a surrogate or a character that text is likely to hold.
_FIRST_LETTER = 0x10000
_AT_ONCE = 1000

Value = TypeVar("Value")


def learn_tokens(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], output: str | Path, *, num_new: int, min_count: int = 2
) -> PreTrainedTokenizerBase:
    """Learn new tokens from text and append them to a BPE or WordPiece vocabulary.

    Old tokens keep their ids, and text in which no new token applies is cut as before: the new merges of a BPE come
    after all old ones, and WordPiece takes the longest match. New merges join *old tokens*, as the old vocabulary cuts
    the text: `tokenizers` trains them on words in which each old token is one letter. A BPE that was trained on the
    text alone would have merges of parts that the old merges never leave behind.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): the tokenizer to extend.
        texts (`Iterable[str]`): sentences, read once.
        output (`str` or `Path`): folder for the new tokenizer.
        num_new (`int`): new tokens at most; fewer come where the text does not hold so many.
        min_count (`int`, *optional*, defaults to 2): how often a new token must occur.

    Returns:
        `PreTrainedTokenizerBase`: the new tokenizer, loaded from `output`.

    Raises:
        ValueError: if the tokenizer is of another kind, the text is empty, or there is nothing to learn.
    """
    if num_new < 1:
        raise ValueError(f"num_new={num_new}; needed is how many tokens to add, at least 1")
    state = backend_state(tokenizer)
    if state["model"]["type"] == "Unigram":
        raise ValueError(
            f"{tokenizer.name_or_path!r} is a Unigram tokenizer: train one on the text and add its pieces by "
            "extend_tokenizer(old, new, output)"
        )
    words = _count_words(tokenizer, texts)
    if not words:
        raise ValueError("there is no text to learn new tokens from")
    taken = set(tokenizer.get_vocab())
    learn = _learn_merges if state["model"]["type"] == "BPE" else _learn_word_pieces
    fresh = learn(state["model"], tokenizer, words, taken, num_new, min_count)
    if not fresh:
        raise ValueError(
            f"there is nothing to add: no new token occurs {min_count} times in the {sum(words.values())} words of "
            "this text; give more text, or leave the vocabulary as it is"
        )
    first = max(tokenizer.get_vocab().values()) + 1
    vocabulary = vocabulary_of(state["model"])
    vocabulary.update({token: first + place for place, token in enumerate(fresh)})
    logger.info("%d tokens were added to %d, of %d asked for", len(fresh), first, num_new)
    expected = {**tokenizer.get_vocab(), **{token: vocabulary[token] for token in fresh}}
    return write_backend(tokenizer, state, expected, output)


def _count_words(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> Counter[str]:
    """The words of a text as the tokenizer's own normaliser and splitting make them."""
    backend = tokenizer.backend_tokenizer
    words: Counter[str] = Counter()
    for text in texts:
        normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
        split = backend.pre_tokenizer.pre_tokenize_str(normal) if backend.pre_tokenizer else [(normal, (0, 0))]
        words.update(word for word, _ in split)
    return words


def _learn_merges(
    model: dict[str, Any],
    tokenizer: PreTrainedTokenizerBase,
    words: Counter[str],
    taken: set[str],
    num_new: int,
    min_count: int,
) -> list[str]:
    letters: dict[str, str] = {}
    spelled: Counter[str] = Counter()
    unknown = tokenizer.unk_token
    for word, count in words.items():
        parts = (part.value for part in tokenizer.backend_tokenizer.model.tokenize(word))
        for is_unknown, run in groupby(parts, key=lambda part: part == unknown):
            if not is_unknown:  # nothing is learned across an unknown character
                spelled["".join(letters.setdefault(part, chr(_FIRST_LETTER + len(letters))) for part in run)] += count
    tokens = {letter: part for part, letter in letters.items()}

    def merges_into_new_tokens(trained: Tokenizer) -> dict[str, tuple[str, str]]:
        found: dict[str, tuple[str, str]] = {}
        for sides in merges_of(json.loads(trained.to_str())["model"]):
            left, right = ("".join(tokens[letter] for letter in side) for side in sides)
            # A merge into an old token would cut text otherwise in which there is no new one.
            if left + right not in taken and all(side in letters or side in found for side in (left, right)):
                found.setdefault(left + right, (left, right))
        return found

    make: Callable[[int], Any] = lambda size: trainers.BpeTrainer(  # noqa: E731
        vocab_size=len(letters) + size, min_frequency=min_count, show_progress=False
    )
    merges = _train_until_enough(Tokenizer(models.BPE()), make, spelled, merges_into_new_tokens, num_new)
    as_text = bool(model["merges"]) and isinstance(model["merges"][0], str)
    model["merges"].extend(" ".join(pair) if as_text else list(pair) for pair in merges.values())
    return list(merges)


def _learn_word_pieces(
    model: dict[str, Any],
    tokenizer: PreTrainedTokenizerBase,
    words: Counter[str],
    taken: set[str],
    num_new: int,
    min_count: int,
) -> list[str]:
    prefix = model["continuing_subword_prefix"]

    def new_pieces(trained: Tokenizer) -> dict[str, int]:
        pieces = sorted(trained.get_vocab().items(), key=lambda item: item[1])
        return {piece: index for piece, index in pieces if piece not in taken}

    characters = len({character for word in words for character in word})
    make: Callable[[int], Any] = lambda size: trainers.WordPieceTrainer(  # noqa: E731
        vocab_size=2 * characters + size,
        min_frequency=min_count,
        continuing_subword_prefix=prefix,
        show_progress=False,
    )
    return list(_train_until_enough(Tokenizer(models.WordPiece()), make, words, new_pieces, num_new))


def _train_until_enough(
    trained: Tokenizer,
    make: Callable[[int], Any],
    words: Counter[str],
    choose: Callable[[Tokenizer], dict[str, Value]],
    num_new: int,
) -> dict[str, Value]:
    """Trains for more and more tokens until so many are new, or the text gives no more."""
    trained.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    size, before = num_new, -1
    while True:
        trained.train_from_iterator(_repeated(words), make(size))
        found = choose(trained)
        entries = trained.get_vocab_size()
        if len(found) >= num_new or entries == before:
            return dict(islice(found.items(), num_new))
        size, before = 2 * size, entries


def _repeated(words: Counter[str]) -> Iterator[str]:
    for word, count in sorted(words.items()):
        for start in range(0, count, _AT_ONCE):
            yield " ".join([word] * min(_AT_ONCE, count - start))
