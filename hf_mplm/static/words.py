"""What a word is: Unicode's default word boundaries, and ICU's dictionaries where words are not set apart."""

from __future__ import annotations

import functools
import unicodedata
from typing import Any

from hf_mplm._imports import require
from hf_mplm.languages import parse_code
from hf_mplm.languages.casing import DOTTED_LANGUAGES, lower_case


__all__ = [
    "DICTIONARY_LANGUAGES",
    "DOTTED_LANGUAGES",
    "lower_case",
    "segment_words",
    "segmenter_name",
    "word_spans",
]

# Languages that are written without blanks between words, by the locale of the dictionary in ICU.
DICTIONARY_LANGUAGES = {"tha": "th", "lao": "lo", "khm": "km", "mya": "my", "zho": "zh", "yue": "zh", "jpn": "ja"}


def segmenter_name(language: str) -> str:
    """What splits the text of a language, for the record: `"uax29"` or `"icu:th"`."""
    locale = DICTIONARY_LANGUAGES.get(parse_code(language).language)
    return "uax29" if locale is None else f"icu:{locale}"


def segment_words(text: str, language: str, *, lower: bool = True) -> list[str]:
    """The words of a sentence, in NFC; punctuation and white space are none.

    Args:
        text (`str`): a sentence.
        language (`str`): its code.
        lower (`bool`, *optional*, defaults to `True`): whether to write them in lower case.

    Raises:
        ImportError: if the language needs ICU's dictionaries and `icu4py` is not installed.
    """
    text = unicodedata.normalize("NFC", text)
    if lower:
        text = lower_case(text, language)
    return [text[start:stop] for start, stop in word_spans(text, language)]


def word_spans(text: str, language: str) -> list[tuple[int, int]]:
    """Where the words of a sentence begin and end, in characters.

    Args:
        text (`str`): a sentence, which is taken as it is.
        language (`str`): its code.

    Raises:
        ImportError: if the language needs ICU's dictionaries and `icu4py` is not installed.
    """
    locale = DICTIONARY_LANGUAGES.get(_language(language))
    if locale is None:
        pieces = _boundaries().split(text)
    else:
        pieces = require("icu4py.breakers", "static").WordBreaker(text, locale)
    spans, start = [], 0
    for piece in map(str, pieces):
        stop = start + len(piece)
        if _is_word(piece):
            spans.append((start, stop))
        start = stop
    return spans


@functools.lru_cache(maxsize=4096)
def _language(language: str) -> str:
    return parse_code(language).language


def _is_word(piece: str) -> bool:
    return any(char.isalnum() for char in piece)


@functools.cache
def _boundaries() -> Any:
    import regex

    # The flag `w` makes \b the default word boundary of UAX 29; version 1 splits at empty matches.
    return regex.compile(r"(?wV1)\b")
