"""New tokens for a BPE or WordPiece vocabulary, learned from text on top of the old ones.

A Unigram model is extended by [`extend_tokenizer`], which sets the scores of two models to one scale.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

import regex
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase

from .backend import backend_state, merges_of, vocabulary_of, write_backend


__all__ = ["learn_tokens"]

logger = logging.getLogger(__name__)

# A letter for each old token, none of which is white space, a surrogate or a character that text is likely to hold.
_FIRST_LETTER = 0x10000
_AT_ONCE = 1000
_SPACE = "▁"
# As SentencePiece parts words from signs: what belongs to a script is of a word, as are digits and joiners.
_OF_WORD = r"\p{L}\p{M}\p{N}\p{Cf}\P{Script=Common}"
_UNIT = regex.compile(rf"{_SPACE}?[{_OF_WORD}]+|{_SPACE}?[^{_SPACE}{_OF_WORD}]+|{_SPACE}")
# The share of occurrences from which on characters stay spelled in bytes, or unknown, as in training a tokenizer.
_CHARACTER_COVERAGE = 0.9995

Value = TypeVar("Value")


def learn_tokens(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], output: str | Path, *, num_new: int, min_count: int = 2
) -> PreTrainedTokenizerBase:
    """Learn new tokens from text and append them to a BPE or WordPiece vocabulary.

    Old tokens keep their ids, and text in which no new token applies is cut as before: the new merges of a BPE come
    after all old ones, and WordPiece takes the longest match. New merges join *old tokens*, as the old vocabulary cuts
    the text: `tokenizers` trains them on words in which each old token is one letter. A BPE that was trained on the
    text alone would have merges of parts that the old merges never leave behind. Characters that a BPE has as bytes
    alone (mmBERT), or not at all, become tokens first, the most frequent ones first, and are joined as characters. No
    new token holds a space, but for one at its beginning.

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
    """The words of a text as the tokenizer's own normaliser and splitting make them, and never more than a word."""
    # A tokenizer that writes spaces as letters need not split at them: a sentence may be one word to it.
    writes_spaces = any(_SPACE in word for word in _split(tokenizer, "a b"))
    words: Counter[str] = Counter()
    for text in texts:
        for word in _split(tokenizer, text):
            words.update(_UNIT.findall(word) if writes_spaces else [word])
    return words


def _split(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    backend = tokenizer.backend_tokenizer
    normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
    return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal)] if backend.pre_tokenizer else [normal]


def _learn_merges(
    model: dict[str, Any],
    tokenizer: PreTrainedTokenizerBase,
    words: Counter[str],
    taken: set[str],
    num_new: int,
    min_count: int,
) -> list[str]:
    known = vocabulary_of(model)
    characters = dict.fromkeys(_frequent_characters(words, known, min_count)[:num_new])
    letters: dict[str, str] = {}
    spelled: Counter[str] = Counter()
    for word, count in words.items():
        for is_left_out, run in groupby(word, key=lambda one: one not in known and one not in characters):
            if not is_left_out:  # nothing is learned across a character that is no token
                parts = _parts("".join(run), tokenizer, characters)
                spelling = (letters.setdefault(part, chr(_FIRST_LETTER + len(letters))) for part in parts)
                spelled["".join(spelling)] += count
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
    room = num_new - len(characters)
    merges = _train_until_enough(Tokenizer(models.BPE()), make, spelled, merges_into_new_tokens, room) if room else {}
    as_text = bool(model["merges"]) and isinstance(model["merges"][0], str)
    model["merges"].extend(" ".join(pair) if as_text else list(pair) for pair in merges.values())
    return [*characters, *merges]


def _frequent_characters(words: Counter[str], known: Container[str], min_count: int) -> list[str]:
    """Characters that a vocabulary lacks, the most frequent first, as far as they cover nearly all occurrences."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            if character not in known:
                counts[character] += count
    chosen, covered, total = [], 0, sum(counts.values())
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count < min_count or covered >= _CHARACTER_COVERAGE * total:
            break
        chosen.append(character)
        covered += count
    return chosen


def _parts(word: str, tokenizer: PreTrainedTokenizerBase, characters: Container[str]) -> Iterator[str]:
    """What a word is cut into by the old vocabulary, and by the characters that are new."""
    for is_new, run in groupby(word, key=lambda one: one in characters):
        if is_new:
            yield from run
        else:
            yield from (part.value for part in tokenizer.backend_tokenizer.model.tokenize("".join(run)))


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
