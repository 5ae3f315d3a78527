"""Sentences of two languages that translate each other, from two files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hf_mplm._lists import as_codes, as_list
from hf_mplm.evaluation.files.records import DataError, read_lines
from hf_mplm.languages import parse_code


__all__ = ["read_parallel"]


def read_parallel(
    paths: str | Sequence[str | Path], languages: str | Sequence[str] | None = None
) -> tuple[list[tuple[str, str]], str, str, int]:
    """Read sentence pairs.

    Args:
        paths (`str` or `Sequence[str | Path]`): two files. Of `.txt` files line n of the one translates line n of the
            other; of `.tsv` files (id, tab, sentence) those of the same id.
        languages (`str` or `Sequence[str]`, *optional*): their codes; by default what their names say, as
            `swh_Latn.txt` does.

    Returns:
        `tuple[list[tuple[str, str]], str, str, int]`: the pairs, the two codes, and the sentences without a partner.

    Raises:
        FileNotFoundError: if a file is missing.
        DataError: if two text files differ in their number of lines, or nothing is paired.
        ValueError: if there are not two files, or a language is not told.
    """
    paths, languages = as_list(paths, keep_spaces=True), as_codes(languages)
    if len(paths) != 2:
        raise ValueError(f"--parallel takes two files, one a language, and was given {len(paths)}")
    first, second = (Path(path) for path in paths)
    for path in (first, second):
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
    if languages is not None and len(languages) != 2:
        raise ValueError(f"--languages takes the two codes of the two files, and was given {len(languages)}")
    codes = [parse_code(code).code for code in languages] if languages else [_code_of(first), _code_of(second)]
    if _suffix(first) == _suffix(second) == ".tsv":
        left, right = _by_id(first), _by_id(second)
        pairs = [(left[key], right[key]) for key in left if key in right]
        unpaired = len(left) + len(right) - 2 * len(pairs)
    else:
        lines = read_lines(first), read_lines(second)
        if len(lines[0]) != len(lines[1]):
            raise DataError(
                f"{first} has {len(lines[0]):,} lines and {second} {len(lines[1]):,}: they are not aligned. Files "
                "with ids (id, tab, sentence) are named .tsv"
            )
        pairs = [(one, other) for one, other in zip(*lines) if one.strip() and other.strip()]
        unpaired = 2 * (len(lines[0]) - len(pairs))
    if not pairs:
        raise DataError(f"{first} and {second} have no sentence in common")
    return pairs, codes[0], codes[1], unpaired


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix


def _code_of(path: Path) -> str:
    try:
        return parse_code(path.name.split(".")[0]).code
    except ValueError as error:
        raise ValueError(
            f"{path}: its name does not say its language ({error}); give --languages CODE CODE"
        ) from error


def _by_id(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        key, tab, sentence = line.partition("\t")
        if not tab:
            raise DataError(f"{path}:{number} has no tab between an id and a sentence")
        if sentence.strip():
            found.setdefault(key, sentence)
    return found
