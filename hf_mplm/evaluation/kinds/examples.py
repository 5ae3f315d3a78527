"""What a fine-tuning task reads, gives to the model, and gets back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

from .finetuning import Row


__all__ = ["Corpus", "Example", "Features", "Scores"]

Example = TypeVar("Example")


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


class Features(NamedTuple):
    """What the model is given.

    Args:
        rows (`list[dict]`): Tokenised rows with at least `input_ids`; one or more an example.
        n_skipped (`int`, *optional*, defaults to 0): Items that could not be turned into rows.
    """

    rows: list[Row]
    n_skipped: int = 0


class Scores(NamedTuple):
    """What came of it.

    Args:
        metrics (`Mapping[str, float]`): Metric to value, as fractions.
        n (`int`): Items scored.
        n_skipped (`int`, *optional*, defaults to 0): Items that could not be scored.
    """

    metrics: Mapping[str, float]
    n: int
    n_skipped: int = 0
