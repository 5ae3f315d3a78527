"""The training data of several languages as those of one."""

from __future__ import annotations

from collections.abc import Sequence

from .corpus import Corpus, Example, MissingDataError


__all__ = ["JointCorpus"]


class JointCorpus(Corpus[Example]):
    """A benchmark in which the first of some languages has the training and dev data of all of them.

    Test data, and all data of the other languages, stay as they are.

    Args:
        corpus (`Corpus`): The benchmark.
        languages (`Sequence[str]`): Codes; those without a split add nothing to it.
    """

    def __init__(self, corpus: Corpus[Example], languages: Sequence[str]) -> None:
        self._corpus = corpus
        self._joint = tuple(languages)
        self.findings, self.refused = corpus.findings, corpus.refused

    def languages(self) -> list[str]:
        return self._corpus.languages()

    def examples(self, language: str, split: str) -> list[Example]:
        if language != self._joint[0] or split == "test":
            return self._corpus.examples(language, split)
        found: list[Example] = []
        for code in self._joint:
            try:
                found += self._corpus.examples(code, split)
            except MissingDataError:
                continue
        if not found:
            raise MissingDataError(f"none of {', '.join(self._joint[:10])} has {split} data")
        return found
