"""Sentences of two languages that translate each other, from two files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hf_mplm._lists import as_codes, as_list
from hf_mplm.evaluation.files.opening import plain_name
from hf_mplm.evaluation.files.records import DataError, read_file, read_lines, text_of
from hf_mplm.evaluation.files.word_pairs import named_languages
from hf_mplm.languages import parse_code


__all__ = ["read_parallel"]

# Names of columns, by which a table's first line is told from a sentence: SIB-200's and FLORES+'s first.
_TEXT_COLUMNS = ("text", "sentence")
_ID_COLUMNS = ("index_id", "id")
_NEEDED = (
    "needed are an id, a tab and a sentence on each line, or a first line that names the columns, among them "
    f"{' or '.join(_ID_COLUMNS)}, and {' or '.join(_TEXT_COLUMNS)}"
)


def read_parallel(
    paths: str | Sequence[str | Path], languages: str | Sequence[str] | None = None
) -> tuple[list[tuple[str, str]], str, str, int]:
    """Read sentence pairs.

    Args:
        paths (`str` or `Sequence[str | Path]`): two files. Of `.txt` files line n of the one translates line n of the
            other; of `.tsv` files (id, tab, sentence; or a first line that names the columns, as SIB-200 has it)
            those of the same id.
        languages (`str` or `Sequence[str]`, *optional*): their codes; by default what their names say, as
            `swh_Latn.txt` or `tatoeba.ell-eng.ell` do.

    Returns:
        `tuple[list[tuple[str, str]], str, str, int]`: the pairs, the two codes, and the sentences that are in no pair:
        without a partner, blank, or of an id that stood there before.

    Raises:
        FileNotFoundError: if a file is missing.
        DataError: if two text files differ in their number of lines, a table has columns of which it is not told
            which holds the sentence, or nothing is paired.
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
    suffixes = {Path(plain_name(path)).suffix.lower() for path in (first, second)}
    if suffixes == {".tsv"}:
        (left, n_left), (right, n_right) = _by_id(first), _by_id(second)
        pairs = [(left[key], right[key]) for key in left if key in right]
        unpaired = n_left + n_right - 2 * len(pairs)
    elif ".tsv" in suffixes:
        raise DataError(f"{first} and {second} are paired by ids or by lines; give two .tsv files, or none")
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


def _code_of(path: Path) -> str:
    names, side = named_languages(path), Path(plain_name(path)).suffix.removeprefix(".")
    # Tatoeba and OPUS name both languages, and then the one that the file is of.
    name = side if names is not None and side in names else path.name.split(".")[0]
    try:
        return parse_code(name).code
    except ValueError as error:
        raise ValueError(
            f"{path}: its name does not say its language ({error}); give --languages CODE CODE"
        ) from error


def _by_id(path: Path) -> tuple[dict[str, str], int]:
    """The sentences by their ids, and how many rows there are."""
    found: dict[str, str] = {}
    rows = 0
    for key, sentence in _rows(path):
        rows += 1
        if sentence.strip():
            found.setdefault(key, sentence)
    return found, rows


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    lines = read_lines(path)
    header = next((line.split("\t") for line in lines if line), [])
    if set(header) & {*_TEXT_COLUMNS, *_ID_COLUMNS}:
        text = next((name for name in _TEXT_COLUMNS if name in header), None)
        key = next((name for name in _ID_COLUMNS if name in header), None)
        if text is None or key is None:
            raise DataError(f"{path}:1 names the columns {', '.join(header)}; {_NEEDED}")
        for record in read_file(path, None, quoted=False):
            yield text_of(record, key), text_of(record, text)
        return
    for number, line in enumerate(lines, start=1):
        fields = line.split("\t")
        if line.strip() and len(fields) != 2:
            raise DataError(f"{path}:{number} has {len(fields)} columns, and the first line names none; {_NEEDED}")
        if line.strip():
            yield fields[0], fields[1]
