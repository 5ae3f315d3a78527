"""A `tokenizer.json` that finds a vocabulary's words in sentences as static embeddings themselves do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hf_mplm.languages import parse_code

from .word_table import WordTable
from .words import DICTIONARY_LANGUAGES, DOTTED_LANGUAGES


if TYPE_CHECKING:
    from tokenizers import Tokenizer


__all__ = ["make_word_tokenizer", "needs_blanks", "unreachable_words"]

# Default word boundaries of UAX 29, in the syntax of the tokenizers' engine of regular expressions.
_WORD_BOUNDARY = r"(?y{w})\y"
# What `words.segment_words` takes for no word.
_NO_WORD = r"\A[^\p{L}\p{N}]+\z"
# At the end of a word capital sigma has a small letter of its own.
_FINAL_SIGMA = r"(?<=\p{L})Σ(?!\p{L})"


def needs_blanks(language: str) -> bool:
    """Tell whether a language is written without blanks between words, for which a `tokenizer.json` has no dictionary.

    Args:
        language (`str`): its code.
    """
    return parse_code(language).language in DICTIONARY_LANGUAGES


def make_word_tokenizer(table: WordTable) -> Tokenizer:
    """Make a word-level tokenizer.

    Row 0 is for words that are not known, row i + 1 for the word i of the table.

    Args:
        table (`WordTable`): the words. Of languages without blanks between words the tokenizer finds those that are
            set apart by blanks, see [`needs_blanks`].

    Returns:
        `Tokenizer`: it normalises (NFC, and lower case where the words are), splits at Unicode's word boundaries
        (UAX 29) and leaves out what holds neither letter nor digit.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    unknown = "[UNK]"
    while unknown in table.index:
        unknown = f"[{unknown}]"
    vocabulary = {unknown: 0, **{word: row + 1 for row, word in enumerate(table.words)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    steps: list[Any] = [normalizers.NFC()]
    if table.lowered:
        code = parse_code(table.language)
        if code.language in DOTTED_LANGUAGES and code.script == "Latn":
            steps += [normalizers.Replace("İ", "i"), normalizers.Replace("I", "ı")]
        if code.script == "Grek":
            steps.append(normalizers.Replace(Regex(_FINAL_SIGMA), "ς"))
        steps.append(normalizers.Lowercase())
    tokenizer.normalizer = normalizers.Sequence(steps)
    blanks = needs_blanks(table.language)
    split = (
        pre_tokenizers.WhitespaceSplit() if blanks else pre_tokenizers.Split(Regex(_WORD_BOUNDARY), "isolated", False)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.Split(Regex(_NO_WORD), "removed", False)])
    return tokenizer


def unreachable_words(table: WordTable, tokenizer: Tokenizer) -> list[str]:
    """The words that no sentence gives, because they are split or left out: of other makers' vectors, as `e-mail`.

    Args:
        table (`WordTable`): the words.
        tokenizer (`Tokenizer`): what [`make_word_tokenizer`] made of them.
    """
    found = tokenizer.encode_batch(table.words, add_special_tokens=False)
    return [word for row, (word, encoding) in enumerate(zip(table.words, found)) if encoding.ids != [row + 1]]
