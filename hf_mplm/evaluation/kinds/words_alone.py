"""Vectors of words: of a vocabulary's own words, or of an encoder that reads each word alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..context import Context
from ..encoder import encode_in
from ..files.corpus import MissingDataError


__all__ = ["encoding_of_words", "vocabulary_matrix", "word_suffix"]


def vocabulary_matrix(context: Context, language: str) -> np.ndarray:
    """The vectors of all words that the vocabulary has of a language.

    Args:
        context (`Context`): The run, with a vocabulary.
        language (`str`): Code of the language.

    Returns:
        `np.ndarray`: The vocabulary's own vectors where it is what is measured; else what the encoder makes of each
        word by itself. Shape: (words, dimension), float32.

    Raises:
        MissingDataError: If the vocabulary lacks the language.
    """
    vocabulary = context.vocabulary
    if vocabulary is None or language not in vocabulary.languages:
        raise MissingDataError(f"the vocabulary has no words of {language}")
    if context.model.vocabulary is vocabulary:
        return vocabulary.matrix(language)
    return encode_in(context.encoder, _as_list(vocabulary.words(language)), language, progress=context.progress)


def encoding_of_words(context: Context) -> dict[str, Any]:
    """Tell what scores on words depend on besides the files, as JSON can hold it.

    Args:
        context (`Context`): The run.
    """
    other = context.vocabulary if context.vocabulary is not context.model.vocabulary else None
    return {"encoding": dict(context.model.encoding), "vocabulary": other.revision if other is not None else ""}


def word_suffix(context: Context) -> str:
    """What a setting's name ends in where an encoder's special tokens do not count."""
    counted = context.settings.encoding.special_tokens or context.model.vocabulary is not None
    return "" if counted else "-no-specials"


def _as_list(words: Sequence[str]) -> list[str]:
    return words if isinstance(words, list) else list(words)
