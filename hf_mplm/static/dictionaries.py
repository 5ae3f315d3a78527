"""Bilingual dictionaries: pairs of words in a file, and their places in two vocabularies."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hf_mplm._lists import as_list
from hf_mplm.evaluation.files.word_pairs import named_languages, pair_digest, read_pairs
from hf_mplm.jobs.files import atomic_write
from hf_mplm.languages import parse_code

from .word_table import WordTable
from .words import lower_case


__all__ = [
    "Coverage",
    "dictionary_path",
    "identical_pairs",
    "languages_of",
    "locate_pairs",
    "numeral_pairs",
    "read_dictionaries",
    "read_pairs",
    "seed_overlap",
    "write_pairs",
]

logger = logging.getLogger(__name__)


class Coverage(NamedTuple):
    """What of a dictionary the vocabularies know.

    Args:
        pairs (`int`): distinct pairs of the dictionary.
        covered (`int`): those of which both words are known.
        unknown_source (`list[str]`): the first source words that are not known.
        unknown_target (`list[str]`): the first target words that are not.
    """

    pairs: int
    covered: int
    unknown_source: list[str]
    unknown_target: list[str]


def languages_of(path: str | Path) -> tuple[str, str]:
    """The languages that the name of a dictionary says, such as `en-de.0-5000.txt` or `deu_Latn-eng_Latn.tsv`.

    Returns:
        `tuple[str, str]`: ISO 639-3 codes without script, as the name may lack it.

    Raises:
        ValueError: if the name says none.
    """
    names = named_languages(path)
    if names is None:
        raise ValueError(
            f"the name of {path} does not say its languages; name dictionaries as en-de.txt or deu_Latn-eng_Latn.tsv"
        )
    first, second = (parse_code(code if "_" in code else f"{code}_Latn").language for code in names)
    return first, second


def write_pairs(path: str | Path, pairs: Iterable[Sequence[object]]) -> None:
    """Write a dictionary, a pair a line, its fields set apart by tabs."""
    with atomic_write(Path(path)) as handle:
        for pair in pairs:
            handle.write(("\t".join(str(field) for field in pair) + "\n").encode())


def seed_overlap(config: Mapping[str, Any], language: str, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Which pairs a language was mapped by, so that it should not be judged by them.

    `static map` keeps no copy of a dictionary but digests of its pairs, in any case and in NFC:
    `config["mapping"]["seed_pairs"][language]` holds those of [`pair_digest`], set apart by blanks.

    Args:
        config (`Mapping[str, Any]`): configuration of static embeddings, mapped or not.
        language (`str`): code of the language.
        pairs (`Iterable[tuple[str, str]]`): words of the language, each with a word of the hub.

    Returns:
        `list[tuple[str, str]]`: those of the pairs that were in its dictionary.
    """
    mapping = config.get("mapping") or {}
    digests = frozenset((mapping.get("seed_pairs") or {}).get(language, "").split())
    return [pair for pair in pairs if digests and pair_digest(*pair, language, mapping["hub"]) in digests]


def dictionary_path(path: str | Path, language: str, hub: str) -> Path:
    """Where the dictionary of two languages goes, so that its name says which they are.

    Args:
        path (`str` or `Path`): what was asked for, such as `seed.tsv`.
        language (`str`): code of the one language.
        hub (`str`): code of the other.

    Returns:
        `Path`: as it is where the name says the two languages, otherwise such as `seed.deu_Latn-eng_Latn.tsv`.
    """
    path = Path(path)
    named = named_languages(path)
    if named is not None and languages_of(path) == (language.partition("_")[0], hub.partition("_")[0]):
        return path
    return path.with_name(f"{path.stem}.{language}-{hub}{path.suffix or '.tsv'}")


def locate_pairs(pairs: Sequence[tuple[str, str]], source: WordTable, target: WordTable) -> tuple[Tensor, Coverage]:
    """Find the pairs' words in two vocabularies.

    A word that a vocabulary does not hold as it is written is looked for in lower case, as the language has it, where
    the vocabulary knows lower case only.

    Args:
        pairs (`Sequence[tuple[str, str]]`): source and target words.
        source (`WordTable`): the one vocabulary.
        target (`WordTable`): the other.

    Returns:
        `tuple[Tensor, Coverage]`: positions, Shape: (covered pairs, 2), int64; and what is not known.
    """
    look_up_source, look_up_target = _look_up(source), _look_up(target)
    found: dict[tuple[int, int], None] = {}
    covered = 0
    unknown_source: dict[str, None] = {}
    unknown_target: dict[str, None] = {}
    for left, right in pairs:
        row, column = look_up_source(left), look_up_target(right)
        if row is None:
            unknown_source.setdefault(left)
        if column is None:
            unknown_target.setdefault(right)
        if row is not None and column is not None:
            covered += 1
            found.setdefault((row, column))
    coverage = Coverage(len(pairs), covered, list(unknown_source)[:3], list(unknown_target)[:3])
    return torch.tensor(list(found), dtype=torch.int64).reshape(-1, 2), coverage


def _look_up(table: WordTable) -> Callable[[str], int | None]:
    def find(word: str) -> int | None:
        row = table.index.get(word)
        return table.index.get(lower_case(word, table.language)) if row is None and table.lowered else row

    return find


def identical_pairs(source: WordTable, target: WordTable) -> Tensor:
    """Words that both languages spell alike. Shape: (pairs, 2), int64."""
    return _common(source, target, lambda word: True)


def numeral_pairs(source: WordTable, target: WordTable) -> Tensor:
    """Numbers in digits that both languages have (Artetxe et al. 2017). Shape: (pairs, 2), int64."""
    return _common(source, target, lambda word: bool(re.fullmatch(r"\d+", word)))


def _common(source: WordTable, target: WordTable, wanted: Callable[[str], bool]) -> Tensor:
    pairs = [
        (row, target.index[word]) for row, word in enumerate(source.words) if word in target.index and wanted(word)
    ]
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)


def read_dictionaries(
    paths: Sequence[str | Path], languages: Sequence[str], hub: str
) -> dict[str, list[tuple[str, str]]]:
    """Read dictionaries of a hub and other languages, in whichever direction they come.

    Args:
        paths (`Sequence[str]`): files named by their languages.
        languages (`Sequence[str]`): codes of which there are vectors; a name without a script means all of its own.
        hub (`str`): the hub's code.

    Returns:
        `dict[str, list[tuple[str, str]]]`: language to pairs of a word of it and a word of the hub.

    Raises:
        ValueError: if the hub is in none of a file's languages, or there are no vectors of the other.
    """
    by_name: dict[str, list[str]] = {}
    for language in as_list(languages):
        by_name.setdefault(language.partition("_")[0], []).append(language)
    hub_name = hub.partition("_")[0]
    found: dict[str, list[tuple[str, str]]] = {}
    for path in as_list(paths, keep_spaces=True):
        first, second = languages_of(path)
        if hub_name not in (first, second):
            raise ValueError(f"{path} is a dictionary of {first} and {second}, neither of which is the hub {hub}")
        other = second if first == hub_name else first
        codes = [code for code in by_name.get(other, []) if code != hub]
        if not codes:
            raise ValueError(
                f"{path} is a dictionary of {other}, of which there are no vectors: {', '.join(as_list(languages))}"
            )
        pairs = read_pairs(path)
        if first == hub_name:
            pairs = [(target, source) for source, target in pairs]
        for code in codes:
            found.setdefault(code, []).extend(pairs)
    return found
