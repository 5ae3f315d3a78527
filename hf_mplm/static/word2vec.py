"""word2vec's formats, text and binary, as fastText, MUSE, RCSLS and gensim write and read them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from hf_mplm.data.corpus.formats import compression_of
from hf_mplm.data.corpus.openers import name_damage, open_binary
from hf_mplm.evaluation.files.records import DataError
from hf_mplm.jobs.files import atomic_write
from hf_mplm.languages import parse_code

from .word_table import WordTable


__all__ = ["ReadReport", "read_word2vec", "refuse_blanks", "words_with_blanks", "write_word2vec"]

logger = logging.getLogger(__name__)

_LONGEST_WORD = 1 << 12
# Rows by which a first line is judged.
_HEAD = 100


class ReadReport(NamedTuple):
    """What of a file was not taken.

    Args:
        duplicates (`int`): words that stood there before; the first of each is kept.
        zeros (`int`): vectors of length zero, which have no direction.
        not_finite (`int`): vectors with NaN or infinity.
        no_word (`int`): entries whose word is empty or no UTF-8.
    """

    duplicates: int = 0
    zeros: int = 0
    not_finite: int = 0
    no_word: int = 0

    def __str__(self) -> str:
        reasons = {
            "words that stood there before": self.duplicates,
            "vectors of length zero": self.zeros,
            "vectors with NaN or infinity": self.not_finite,
            "entries without a word in UTF-8": self.no_word,
        }
        return ", ".join(f"{number:,} {reason}" for reason, number in reasons.items() if number)


def read_word2vec(
    path: str | Path, language: str, *, limit: int | None = None, binary: bool | None = None
) -> tuple[WordTable, ReadReport]:
    """Read word vectors.

    Args:
        path (`str` or `Path`): a file of word2vec's text format (with its first line or, as GloVe writes it, without)
            or binary format, perhaps compressed (`.vec.gz`, also bzip2, xz and zstd).
        language (`str`): the language's code.
        limit (`int`, *optional*): the first so many entries, which are the most frequent words.
        binary (`bool`, *optional*): which format; `.bin` (`.bin.gz`) is binary by default, everything else text.

    Returns:
        `tuple[WordTable, ReadReport]`: the words in the order of the file, and what was left out.

    Raises:
        FileNotFoundError: if there is no such file.
        DamagedError: if a compressed file is not whole.
        DataError: if the file is of another form, or its first line does not fit its rows, naming the line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there are no word vectors {path}")
    if binary is None:
        binary = Path(path.stem if compression_of(path.name) else path.name).suffix == ".bin"
    code = parse_code(language).code
    words: list[str] = []
    vectors: list[np.ndarray] = []
    seen: set[str] = set()
    left_out = dict.fromkeys(ReadReport._fields, 0)
    with name_damage(str(path)), open_binary(path) as handle:
        for number, (raw, vector) in enumerate(_read_binary(handle, path) if binary else _read_text(handle, path)):
            if limit is not None and number >= limit:
                break
            try:
                word = raw.decode("utf-8")
            except UnicodeDecodeError:
                word = ""
            if not word:
                left_out["no_word"] += 1
            elif word in seen:
                left_out["duplicates"] += 1
            elif not np.isfinite(vector).all():
                left_out["not_finite"] += 1
            elif not vector.any():
                left_out["zeros"] += 1
            else:
                seen.add(word)
                words.append(word)
                vectors.append(vector)
    if not words:
        raise DataError(f"{path} holds no word vector that can be used")
    report = ReadReport(**left_out)
    if str(report):
        logger.warning("%s: left out %s", path, report)
    return WordTable(code, words, np.zeros(len(words), dtype=np.int64), np.stack(vectors)), report


def _read_text(handle: IO[bytes], path: Path) -> Iterator[tuple[bytes, np.ndarray]]:
    first = handle.readline().rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf")
    fields = first.split()
    if not fields:
        raise DataError(f"{path} is empty, or its first line is; needed are a word and its numbers on each line")
    header = len(fields) == 2 and all(field.isdigit() for field in fields)
    width = int(fields[1]) if header else len(first.rstrip(b" ").split(b" ")) - 1
    number, entries = 1, 0
    if not header:
        yield _text_entry(first, width, path, number)
    head = list(islice(handle, _HEAD))
    if header:
        _refuse_more_numbers(head, width, path)
    for line in chain(head, handle):
        number += 1
        line = line.rstrip(b"\r\n")
        if line:
            entries += 1
            yield _text_entry(line, width, path, number)
    if header and entries < int(fields[0]):
        raise DataError(f"{path} has {entries:,} vectors, {int(fields[0]):,} by its first line: it is cut short")
    if header and entries > int(fields[0]):
        logger.warning("%s has %s vectors, %s by its first line; all are read", path, entries, int(fields[0]))


def _refuse_more_numbers(head: Sequence[bytes], width: int, path: Path) -> None:
    """Refuse a first line of fewer numbers than the rows have, whose first ones would be taken for parts of words."""
    longer = []
    for number, line in enumerate(head, start=2):
        fields = line.split()
        surplus = fields[1 : len(fields) - width]
        if surplus and all(_is_number(field) for field in surplus):
            longer.append((number, len(fields) - 1))
    # One such row is a word with blanks, as fastText keeps them.
    if longer and 2 * len(longer) > sum(bool(line.strip()) for line in head):
        number, found = longer[0]
        raise DataError(f"{path}:{number} has {found} numbers, {width} by the first line; correct the first line")


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _text_entry(line: bytes, width: int, path: Path, number: int) -> tuple[bytes, np.ndarray]:
    # From the right, because a word may hold blanks (fastText keeps such tokens); a blank may end the line.
    fields = line.rstrip(b" ").rsplit(b" ", width) if width > 0 else []
    try:
        if len(fields) != width + 1:
            raise ValueError(f"{max(len(fields) - 1, 0)} numbers")
        return fields[0], np.array(fields[1:], dtype=np.float32)
    except ValueError as error:
        raise DataError(
            f"{path}:{number} is no word with {width} numbers ({error}); needed is word2vec's text format, and that a "
            "binary file is named .bin"
        ) from None


def _read_binary(handle: IO[bytes], path: Path) -> Iterator[tuple[bytes, np.ndarray]]:
    fields = handle.readline(100).split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        raise DataError(
            f"{path} is no word2vec binary file: it does not begin with the numbers of words and dimensions"
        )
    size, width = int(fields[0]), int(fields[1])
    for number in range(size):
        word = bytearray()
        while (byte := handle.read(1)) != b" ":
            if not byte or len(word) > _LONGEST_WORD:
                raise DataError(f"{path}: vector {number + 1:,} of {size:,} is cut short or damaged")
            word += byte
        data = handle.read(4 * width)
        if len(data) < 4 * width:
            raise DataError(f"{path}: vector {number + 1:,} of {size:,} is cut short or damaged")
        # Some writers end an entry by a line break, others do not.
        yield bytes(word).lstrip(b"\n"), np.frombuffer(data, dtype="<f4").copy()
    if handle.read(_LONGEST_WORD).strip():
        raise DataError(
            f"{path} goes on after the {size:,} vectors of {width} numbers that its first line says; correct the "
            "first line"
        )


def words_with_blanks(table: WordTable) -> list[int]:
    """Where words stand that hold white space, at which readers of either format cut them."""
    return [row for row, word in enumerate(table.words) if any(char.isspace() for char in word)]


def refuse_blanks(table: WordTable) -> None:
    """Raise `ValueError` if a word of the table holds white space."""
    cut = words_with_blanks(table)
    if cut:
        raise ValueError(
            f"{table.language}: the word {table.words[cut[0]]!r} holds white space, one of {len(cut):,}, at which "
            "readers of word2vec's formats cut it; leave such words out with --skip_words_with_blanks, or choose "
            "another --format"
        )


def write_word2vec(table: WordTable, path: str | Path, *, binary: bool = False) -> None:
    """Write word vectors as gensim and fastText read them.

    Args:
        table (`WordTable`): the words.
        path (`str` or `Path`): the file.
        binary (`bool`, *optional*, defaults to `False`): which format.

    Raises:
        ValueError: if a word holds white space, at which readers of either format cut it.
    """
    refuse_blanks(table)
    with atomic_write(Path(path)) as handle:
        handle.write(f"{len(table)} {table.vectors.shape[1]}\n".encode())
        for word, vector in zip(table.words, table.vectors.astype("<f4")):
            if binary:
                handle.write(word.encode("utf-8") + b" " + vector.tobytes() + b"\n")
            else:
                # Nine digits give back every float32.
                handle.write(
                    word.encode("utf-8") + b" " + " ".join(f"{value:.9g}" for value in vector).encode() + b"\n"
                )
