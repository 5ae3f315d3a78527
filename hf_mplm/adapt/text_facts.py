"""What is counted in the text of a language, in one reading, and the sentences of it that are looked at closely."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice

import regex

from hf_mplm.data.corpus.corpora import CorpusRow
from hf_mplm.data.tokenizing.encoding import hash_sentences
from hf_mplm.evaluation.overlap.letters import letters_of


__all__ = ["TextFacts", "read_facts"]

MOST_SAMPLED = 2000
_BATCH = 1000
_DIGITS = regex.compile(r"\p{N}+")


@dataclass
class TextFacts:
    """Counts of one language's text.

    Attributes:
        sentences (`int`): lines.
        words (`int`): what white space sets apart.
        characters (`int`): without white space.
        repeated (`int`): sentences of whose letters another one before has the same, digits, case and punctuation
            aside: copies and near copies.
        sample (`list[str]`): up to 2,000 different sentences, those of the smallest hashes, in the order of the text.
    """

    sentences: int = 0
    words: int = 0
    characters: int = 0
    repeated: int = 0
    sample: list[str] = field(default_factory=list)


class _Counting:
    def __init__(self, seed: int) -> None:
        self.facts = TextFacts()
        self._seed = seed
        self._seen: set[int] = set()
        # Of the largest hash first, so that it is the first to go: (-hash, -place, sentence).
        self._kept: list[tuple[int, int, str]] = []
        self._in_sample: set[int] = set()

    def read(self, texts: list[str]) -> None:
        facts = self.facts
        letters = [_DIGITS.sub("", letters_of(text)) for text in texts]
        for text, key, bare in zip(texts, hash_sentences(texts, self._seed), hash_sentences(letters, 0)):
            words = text.split()
            facts.words += len(words)
            facts.characters += sum(map(len, words))
            facts.repeated += int(bare) in self._seen
            self._seen.add(int(bare))
            self._offer(int(key), facts.sentences, text)
            facts.sentences += 1

    def _offer(self, key: int, place: int, text: str) -> None:
        if key in self._in_sample:
            return
        entry = (-key, -place, text)
        if len(self._kept) < MOST_SAMPLED:
            heapq.heappush(self._kept, entry)
            self._in_sample.add(key)
        elif entry > self._kept[0]:
            self._in_sample.discard(-heapq.heapreplace(self._kept, entry)[0])
            self._in_sample.add(key)

    def finish(self) -> TextFacts:
        self.facts.sample = [text for _, _, text in sorted(self._kept, key=lambda entry: -entry[1])]
        return self.facts


def read_facts(rows: Iterable[CorpusRow], seed: int = 0) -> dict[str, TextFacts]:
    """Count each language's text.

    Args:
        rows (`Iterable[CorpusRow]`): sentences and codes.
        seed (`int`, *optional*, defaults to 0): chooses the sample.

    Returns:
        `dict[str, TextFacts]`: by code, sorted.
    """
    counting: dict[str, _Counting] = {}
    for language, texts in _batches(rows):
        counting.setdefault(language, _Counting(seed)).read(texts)
    return {code: counting[code].finish() for code in sorted(counting)}


def _batches(rows: Iterable[CorpusRow]) -> Iterator[tuple[str, list[str]]]:
    for language, group in groupby(rows, key=lambda row: row["language"]):
        texts = (row["text"] for row in group)
        while batch := list(islice(texts, _BATCH)):
            yield language, batch
