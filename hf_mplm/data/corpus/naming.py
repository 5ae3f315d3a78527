"""The language that the path of a file names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from hf_mplm.languages import language_name, parse_code
from hf_mplm.languages.tables import known_scripts

from .quoting import typed
from .resolver import CodeResolver


__all__ = ["count_codes", "language_of", "likely_script", "scripted_code"]

_SCRIPTED = re.compile(r"^([a-z]{2,3}[_-][A-Z][a-z]{3})(?=$|[._-])")
_BARE = re.compile(r"^[A-Za-z]{2,3}([_-][A-Z]{2})?$")
_FORM = re.compile(r"^[A-Za-z]{2,3}$")

# What files are called that are no language, although ISO 639-3 has one of that code: parts of a data set and roles of
# a file first, then everyday words. Words that are the codes of languages of FLORES-200, XLM-R or the UDHR (war, fin,
# sun, her) are not among them, but for those of the first kind.
_WORDS = frozenset(
    """
    all and any api app aux big cls csv cut dev doc dup emb end etc ext for gov int key law lib log low max mid mix mlm
    ner net new neg not num old one org par pos pre put raw rel row sec seq set spm src std str sub sys tag tax the tgt
    tok top trn tsv tst two txt val was way www xml
    add age air are bbc boy box but can car com cup dry due far fun gas god got had has his hot how job kid let man med
    mom non out own pay pop pro red say sea see she six sky tea ted ten tip toy try van wet win wmt yes
    """.split()
)
# So many files of other bare codes beside it, and a known language is meant by its code.
_COLLECTION = 20


def count_codes(paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, int]:
    """How many files in each folder are named by a bare code that is no everyday word."""
    counts: dict[PurePosixPath, int] = {}
    for path in paths:
        stem = _stem(path)
        if _FORM.match(stem) and stem.lower() not in _WORDS and _is_code(stem):
            counts[path.parent] = counts.get(path.parent, 0) + 1
    return counts


def language_of(path: PurePosixPath, text: str, resolver: CodeResolver, codes: Mapping[PurePosixPath, int]) -> str:
    """The code that a file's path carries.

    A code with its script goes before one without, the file's own name before its folders and an inner folder before
    an outer one; but a code of FLORES-200, XLM-R or the UDHR before one that is only in ISO 639-3, so that
    `sw/xaa.txt` is Swahili and not Andalusian Arabic. A word that files are often called (`dev`, `all`, `new`) names
    no language, unless `--languages` asks for it, or it is one of those languages amid a folder of codes.

    Args:
        path (`PurePosixPath`): within the corpus.
        text (`str`): tells the script where the path does not.
        resolver (`CodeResolver`): understands the codes.
        codes (`Mapping[PurePosixPath, int]`): what `count_codes` gave.

    Raises:
        ValueError: if it carries none, or one that may not be meant.
    """
    if scripted := scripted_code(path):
        return resolver.parse(scripted, text=text)
    stem = _stem(path)
    folders = [part for part in reversed(path.parts[:-1]) if _BARE.match(part)]
    named = [part for part in (stem, *folders) if _is_code(part)]
    sure = [part for part in named if not _may_be_a_word(part, path, resolver, codes)]
    if sure:
        known = [part for part in sure if _is_known(part)]
        return resolver.parse((known or sure)[0], text=text)
    if named:
        raise ValueError(_question(named[0], path))
    return resolver.parse(stem, text=text)


def scripted_code(path: PurePosixPath) -> str | None:
    """The code with a script that a path carries, the innermost first, as in `swh_Latn/train/0001.parquet`."""
    matches = (_SCRIPTED.match(part) for part in reversed(path.parts))
    return next((match[1] for match in matches if match), None)


def likely_script(path: PurePosixPath) -> str | None:
    """The script that the text of a file should be in by its path, if that is known."""
    if scripted := scripted_code(path):
        return scripted[-4:]
    named = [part for part in (_stem(path), *reversed(path.parts[:-1])) if _FORM.match(part) and _is_code(part)]
    scripts = known_scripts().get(parse_code(f"{named[0]}_Latn").language, ()) if named else ()
    if scripts and set(scripts) <= {"Hani", "Hans", "Hant"}:
        return "Hani"
    return scripts[0] if len(scripts) == 1 else None


def _stem(path: PurePosixPath) -> str:
    return path.name.split(".")[0]


def _is_code(word: str) -> bool:
    try:
        language_name(word)
    except ValueError:
        return False
    return True


def _is_known(word: str) -> bool:
    # Codes of two letters are those of languages that people write much in.
    return len(re.split("[-_]", word)[0]) == 2 or parse_code(f"{word[:3]}_Latn").language in known_scripts()


def _may_be_a_word(word: str, path: PurePosixPath, resolver: CodeResolver, codes: Mapping[PurePosixPath, int]) -> bool:
    if word.lower() not in _WORDS:
        return False
    if resolver.options.languages is not None and resolver.asks_for(word):
        return False
    return not (_is_known(word) and codes.get(path.parent, 0) >= _COLLECTION)


def _question(word: str, path: PurePosixPath) -> str:
    language = parse_code(f"{word}_Latn").language
    scripts = known_scripts().get(language, ("Latn",))
    is_file = _stem(path) == word
    suffix = path.name[len(word) :] if is_file else ""
    rename = f"mv {typed(word + suffix)} {typed(f'{language}_{scripts[0]}{suffix}')}"
    return (
        f"{word!r} would be read as the code of {language_name(word)}, and is what parts of a data set are called "
        f"too. If it is that language, say so: {rename} (or with another script), or --languages {language} and the "
        f"others. If not, put it into a folder that its language names (mkdir swh; mv {typed(word + suffix)} swh/), "
        "or take it out of the corpus"
    )
