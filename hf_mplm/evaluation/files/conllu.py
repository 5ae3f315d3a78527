"""Reader of CoNLL-U, the format of Universal Dependencies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .corpus import MissingDataError, RefusedDataError
from .layouts import DataError, read_lines


__all__ = ["Tree", "read_conllu", "universal_relation", "with_text"]

COLUMNS = 10
# No sentence has more words than ten digits count.
NUMBER = re.compile(r"[0-9]{1,10}")
# A fused word such as `au` for `à le`, whose parts follow, and an empty node of the enhanced graph.
OTHER_ID = re.compile(r"[1-9]\d*-[1-9]\d*|\d+\.[1-9]\d*")


class Tree(NamedTuple):
    """A sentence of a treebank by its syntactic words.

    Args:
        words (`Sequence[str]`): Their forms.
        tags (`Sequence[str]`): Their universal parts of speech.
        heads (`Sequence[int]`): Number of the head of each word, counted from 1; 0 for the root.
        relations (`Sequence[str]`): Relation of each word to its head, with its subtype.
        place (`str`): Where it stands, as `"FILE:LINE"`.
    """

    words: Sequence[str]
    tags: Sequence[str]
    heads: Sequence[int]
    relations: Sequence[str]
    place: str


def universal_relation(relation: str) -> str:
    """Take the universal part of a relation.

    Args:
        relation (`str`): Such as `"nsubj:pass"`.

    Returns:
        `str`: Such as `"nsubj"`.
    """
    return relation.split(":", maxsplit=1)[0]


def read_conllu(path: Path) -> list[Tree]:
    """Read a treebank. Fused words and empty nodes are left out: the words of the basic tree remain.

    Args:
        path (`Path`): A `.conllu` file, which may be gzipped.

    Returns:
        `list[Tree]`: The sentences, at least one.

    Raises:
        DataError: If a line does not have ten columns, words are not counted 1, 2, 3, ..., or a head is no word of the
            sentence, naming file and line.
        MissingDataError: If the treebank comes without its text, so that there is nothing to encode.
        RefusedDataError: If it comes without its trees, as the test sets of shared tasks do.
    """
    blocks = list(_blocks(path))
    # An empty head on some lines is a fault of theirs; on every line it was taken out.
    words = [line for lines in blocks for _, line in lines if not OTHER_ID.fullmatch(line.split("\t")[0])]
    if words and all(_is_blind(line) for line in words):
        raise RefusedDataError(
            f"the trees are withheld: no word of {path} has a head, so that there is nothing to score against; take "
            "the treebank's own file"
        )
    trees = [_tree(lines, path) for lines in blocks]
    if not trees:
        raise DataError(f"{path} has no sentences")
    return with_text(trees)


def with_text(trees: list[Tree]) -> list[Tree]:
    """Check that a treebank comes with its text.

    Args:
        trees (`list[Tree]`): Its sentences.

    Returns:
        `list[Tree]`: The same.

    Raises:
        MissingDataError: If a sentence of three words or more has nothing but underscores for them.
    """
    for tree in trees:
        # A lone underscore can be a word; three words in a row that are nothing else are a text that was taken out.
        if len(tree.words) > 2 and set(tree.words) == {"_"}:
            raise MissingDataError(
                f"{tree.place} has no text (all its forms are `_`): a treebank without its text cannot be scored; "
                "merge the text in, as its README says, or remove the file"
            )
    return trees


def _blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    block: list[tuple[int, str]] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip(" \t"):
            if block:
                yield block
            block = []
        elif not line.startswith("#"):
            block.append((number, line))
    if block:
        yield block


def _is_blind(line: str) -> bool:
    columns = line.split("\t")
    return len(columns) == COLUMNS and columns[6] == "_"


def _tree(lines: Sequence[tuple[int, str]], path: Path) -> Tree:
    words: list[str] = []
    tags: list[str] = []
    heads: list[int] = []
    relations: list[str] = []
    numbers: list[int] = []
    for number, line in lines:
        columns = line.split("\t")
        if len(columns) != COLUMNS:
            raise DataError(f"{path}:{number} has {len(columns)} columns instead of {COLUMNS}, separated by tabs")
        if OTHER_ID.fullmatch(columns[0]):
            continue
        if columns[0] != str(len(words) + 1):
            raise DataError(f"{path}:{number} has the id {columns[0][:40]!r} where word {len(words) + 1} is due")
        if not NUMBER.fullmatch(columns[6]):
            raise DataError(f"{path}:{number} has the head {columns[6][:40]!r}, which is no number of a word")
        words.append(columns[1])
        tags.append(columns[3])
        heads.append(int(columns[6]))
        relations.append(columns[7])
        numbers.append(number)
    if not words:
        raise DataError(f"{path}:{lines[0][0]} begins a sentence without words")
    for head, number in zip(heads, numbers):
        if head > len(words):
            raise DataError(f"{path}:{number} has the head {head}, but the sentence has {len(words)} words")
    return Tree(words, tags, heads, relations, f"{path}:{lines[0][0]}")
