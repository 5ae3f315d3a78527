"""Sentences with their trees, and the relations that a parser names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .conllu import Tree, universal_relation
from .corpus import Corpus
from .layouts import DataError
from .treebanks import Treebanks


__all__ = ["RELATIONS", "ParsedSentence", "ParsingCorpus"]

# The 37 universal relations of UD 2.
RELATIONS = tuple(
    "acl advcl advmod amod appos aux case cc ccomp clf compound conj cop csubj dep det discourse dislocated expl "
    "fixed flat goeswith iobj list mark nmod nsubj nummod obj obl orphan parataxis punct reparandum root vocative "
    "xcomp".split()
)


class ParsedSentence(NamedTuple):
    """A sentence with its tree.

    Args:
        words (`Sequence[str]`): The words.
        heads (`Sequence[int]`): Number of the head of each word, counted from 1; 0 for the root.
        relations (`Sequence[int]`): Positions of their relations in `scheme`.
        scheme (`Sequence[str]`): The relations of the task, one list for all sentences.
    """

    words: Sequence[str]
    heads: Sequence[int]
    relations: Sequence[int]
    scheme: Sequence[str]


class ParsingCorpus(Corpus[ParsedSentence]):
    """The CoNLL-U files in `ud/`.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
        subtypes (`bool`, *optional*, defaults to `False`): Whether relations keep their subtypes.
    """

    def __init__(self, data_dir: Path, subtypes: bool = False) -> None:
        self.treebanks, self.subtypes = Treebanks(data_dir / "ud"), subtypes
        self.findings = self.treebanks.findings
        self.scheme: Sequence[str] = RELATIONS
        if subtypes:
            # A language can have subtypes that the source language lacks, which cost it LAS; they are no error.
            found = {
                relation
                for language, split in sorted(self.treebanks.files)
                for tree in self.treebanks.trees(language, split)
                for relation in tree.relations
            }
            self.scheme = [*RELATIONS, *sorted(found - set(RELATIONS))]

    def languages(self) -> list[str]:
        return self.treebanks.languages()

    def examples(self, language: str, split: str) -> list[ParsedSentence]:
        index = {relation: number for number, relation in enumerate(self.scheme)}
        return [self._sentence(tree, index) for tree in self.treebanks.trees(language, split)]

    def _sentence(self, tree: Tree, index: dict[str, int]) -> ParsedSentence:
        names = tree.relations if self.subtypes else [universal_relation(relation) for relation in tree.relations]
        unknown = next((name for name in names if universal_relation(name) not in RELATIONS), None)
        if unknown is not None:
            raise DataError(
                f"the sentence at {tree.place} has the relation {unknown!r}, which is none of {', '.join(RELATIONS)}"
            )
        return ParsedSentence(tree.words, tree.heads, [index[name] for name in names], self.scheme)
