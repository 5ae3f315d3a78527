"""The splits of a benchmark, each read once, and the files that they stand in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .corpus import Corpus, MissingDataError
from .reads import recorded_reads


__all__ = ["Splits"]


class Splits:
    """Reads each split once, and tells which files it stands in.

    Args:
        open_corpus (`Callable[[], Corpus]`): Opens the benchmark; what it reads belongs to every split.
    """

    def __init__(self, open_corpus: Callable[[], Corpus[Any]]) -> None:
        with recorded_reads() as self._common:
            self._corpus = open_corpus()
        self._found: dict[tuple[str, str], frozenset[Path] | MissingDataError] = {}

    def files(self, language: str, split: str) -> frozenset[Path]:
        """Read a split.

        Args:
            language (`str`): Code of the language-script.
            split (`str`): `"train"`, `"dev"` or `"test"`.

        Returns:
            `frozenset[Path]`: The files that were read for it.

        Raises:
            DataError: If a file does not hold what its format promises.
            MissingDataError: If there is no such split.
        """
        if (language, split) not in self._found:
            with recorded_reads() as files:
                try:
                    self._corpus.examples(language, split)
                    self._found[language, split] = frozenset(self._common | files)
                except MissingDataError as error:
                    self._found[language, split] = error
        found = self._found[language, split]
        if isinstance(found, MissingDataError):
            raise found
        return found
