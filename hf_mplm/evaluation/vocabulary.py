"""Words with vectors, as the tasks on words need them: what static embeddings are to this room, which imports none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hf_mplm.jobs.files import read_json


__all__ = ["STATIC_MODEL_TYPE", "Vocabulary", "is_static_folder"]

#: `model_type` in the configuration of a folder with static embeddings.
STATIC_MODEL_TYPE = "hf-mplm-static"


@runtime_checkable
class Vocabulary(Protocol):
    """The words of one or many languages, and a vector for each.

    `hf_mplm.static.StaticEmbeddings` is one. Anything else with these members can be judged as well.

    Attributes:
        revision (`str`): Which version of it this is.
    """

    @property
    def revision(self) -> str:
        """Which version of it this is."""
        ...

    @property
    def languages(self) -> list[str]:
        """The codes of its languages, sorted."""
        ...

    def words(self, language: str) -> Sequence[str]:
        """The words of a language, the most frequent first, each once.

        Args:
            language (`str`): Its code.
        """
        ...

    def matrix(self, language: str) -> np.ndarray:
        """The vectors of these words. Shape: (words, dimension), float32.

        Args:
            language (`str`): Its code.
        """
        ...

    def normalise_word(self, word: str, language: str) -> str:
        """Write a word as the vocabulary would, as in NFC and in lower case.

        Args:
            word (`str`): The word.
            language (`str`): Code of its language.
        """
        ...

    def seed_pairs(self, language: str, other: str) -> Collection[str]:
        """What [`pair_digest`] gives for the pairs of words by which two languages were mapped onto each other.

        Args:
            language (`str`): Code of the one language, whose word comes first in a pair.
            other (`str`): Code of the other.
        """
        ...


def is_static_folder(model: Any) -> bool:
    """Tell whether a folder holds static embeddings, by its `config.json`.

    Args:
        model (`str`, `Path` or anything else): What was given as a model.
    """
    if not isinstance(model, (str, Path)) or not (Path(model) / "config.json").is_file():
        return False
    config = read_json(Path(model) / "config.json")
    return isinstance(config, dict) and config.get("model_type") == STATIC_MODEL_TYPE
