"""What every benchmark's files offer, whatever their format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from .opening import DataError
from .report import Findings, PassedOver


__all__ = ["BenchmarkFiles", "Corpus", "Example", "MissingDataError", "RefusedDataError"]

Example = TypeVar("Example")


class MissingDataError(FileNotFoundError):
    """A benchmark has no file for a language. Such a cell is reported and left out, never counted as zero."""


class RefusedDataError(MissingDataError, DataError):
    """The files of a language are there and whole, and nothing can be scored with them, as where their labels are
    withheld. Such a language is reported and left out."""


class BenchmarkFiles(ABC):
    """The files of one benchmark, by language-script."""

    #: What is in the folders that it reads.
    findings: Sequence[Findings] = ()
    #: Codes of language-scripts that two names of the benchmark mean, to the reason why neither is read.
    refused: Mapping[str, str] = {}

    @property
    def passed_over(self) -> list[PassedOver]:
        """What was found and is not used, and why."""
        return [entry for findings in self.findings for entry in findings.passed_over()]

    def refuse(self, language: str) -> None:
        """Refuse a language that two names of the benchmark mean.

        Args:
            language (`str`): Code of the language-script.

        Raises:
            RefusedDataError: If it is one, saying both names and the line to type.
        """
        if language in self.refused:
            raise RefusedDataError(self.refused[language])

    @abstractmethod
    def languages(self) -> list[str]:
        """List the language-scripts that have test data, sorted.

        Those that are refused are among them: whoever asks for one is told why there is no score.
        """


class Corpus(BenchmarkFiles, Generic[Example]):
    """The files of one benchmark, from which examples are read one by one."""

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
            RefusedDataError: If its labels are withheld, or two files are of this language-script.
            DataError: If a file does not hold what its format promises.
        """
