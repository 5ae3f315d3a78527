"""Files of word pairs: dictionaries, by their names and their lines."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path

from hf_mplm.languages.casing import lower_case

from .opening import DataError, plain_name, read_lines


__all__ = ["named_languages", "pair_digest", "read_pairs"]

_CODE = r"[a-z]{2,3}(?:_[A-Z][a-z]{3})?"
_NAME = re.compile(rf"(?:^|[./_])({_CODE})-({_CODE})(?=$|\.)")


def named_languages(path: str | Path) -> tuple[str, str] | None:
    """The two languages that a file's name says, as it writes them: `en-de.0-5000.txt`, `deu_Latn-eng_Latn.tsv`.

    Args:
        path (`str` or `Path`): The file.

    Returns:
        `tuple[str, str]`: Their names, or `None` where it says none.
    """
    match = _NAME.search(plain_name(Path(path)))
    return (match[1], match[2]) if match else None


def read_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Read a dictionary: a pair a line, set apart by a tab, or by blanks where there is no tab.

    Args:
        path (`str` or `Path`): MUSE's `en-de.txt`, XLING's `*.tsv`, what `hf-mplm static lexicon` writes (whose
            further columns are not read), all perhaps compressed.

    Returns:
        `list[tuple[str, str]]`: The pairs in NFC, in the order of the file, each once.

    Raises:
        FileNotFoundError: If there is no such file.
        DataError: If a line has no two words.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no dictionary {path}")
    pairs = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("\t")] if "\t" in line else line.split()
        if len(fields) < 2 or not fields[0] or not fields[1]:
            raise DataError(f"{path}:{number} is no pair of words: {line[:60]!r}; needed are two, set apart by a tab")
        pairs.append((unicodedata.normalize("NFC", fields[0]), unicodedata.normalize("NFC", fields[1])))
    if not pairs:
        raise DataError(f"{path} holds no pair of words")
    return list(dict.fromkeys(pairs))


def pair_digest(word: str, other: str, language: str, other_language: str) -> str:
    """A short digest of a pair of words, the same in any case, by which dictionaries are compared and not copied.

    Args:
        word (`str`): The one word.
        other (`str`): The other.
        language (`str`): Code of the one word's language, whose own lower case counts.
        other_language (`str`): Code of the other's.

    Returns:
        `str`: 16 hexadecimal digits.
    """
    sides = ((word, language), (other, other_language))
    # Folders hold digests of any age: what they were mapped by in lower case must go on giving the same ones.
    text = "\t".join(lower_case(unicodedata.normalize("NFC", side), code) for side, code in sides)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
