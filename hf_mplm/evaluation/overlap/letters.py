"""Text as it is compared: its letters and digits, whatever stands between them."""

from __future__ import annotations

import unicodedata

import regex


__all__ = ["is_dense", "letters_of"]

_OTHER = regex.compile(r"[^\p{L}\p{M}\p{N}]+")
# Scripts of which a character stands for a syllable or a word.
_DENSE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Yi}]")


def letters_of(text: str) -> str:
    """Leave letters, marks and digits of a text, folded: case, width, punctuation and white space make no difference.

    So it makes none either how a tokenizer, a treebank or a line sets words apart, or whether the script does.

    Args:
        text (`str`): Text.
    """
    return _OTHER.sub("", unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))


def is_dense(letters: str) -> bool:
    """Whether most characters are of scripts of which a character stands for a syllable or a word.

    Args:
        letters (`str`): What [`letters_of`] gave.
    """
    return 2 * len(_DENSE.findall(letters)) > len(letters)
