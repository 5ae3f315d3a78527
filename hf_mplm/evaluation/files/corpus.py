"""What every benchmark's files offer, whatever their format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar


__all__ = ["Corpus", "Example", "MissingDataError"]

Example = TypeVar("Example")


class MissingDataError(FileNotFoundError):
    """A benchmark has no file for a language. Such a cell is reported and left out, never counted as zero."""


class Corpus(ABC, Generic[Example]):
    """The files of one benchmark."""

    @abstractmethod
    def languages(self) -> list[str]:
        """List the language-scripts that have test data, sorted."""

    @abstractmethod
    def examples(self, language: str, split: str) -> list[Example]:
        """Read one split of one language.

        Args:
            language (`str`): Code of the language-script.
            split (`str`): `"train"`, `"dev"` or `"test"`.

        Returns:
            `list`: The items, at least one.

        Raises:
            MissingDataError: If there is no such file.
            DataError: If a file does not hold what its format promises.
        """
