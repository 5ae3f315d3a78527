"""The protocol of an encoder: what retrieval and probes need of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np


__all__ = ["Encoder", "encode_in", "needs_language"]


@runtime_checkable
class Encoder(Protocol):
    """What retrieval and probes need of a model. Anything with these four members can be evaluated.

    An encoder that asks which language its sentences are in has `needs_language = True` too, and `languages`, the
    codes that it knows: it is given the sentences of one language a call, and of no others. Every other encoder is
    given the sentences of many languages at once and need not take `language`.

    Attributes:
        name (`str`): What is written into the column `model` of the results.
        revision (`str`): What is written into the column `revision`.
        layer (`int`): The layer whose states are pooled, -1 if the word does not apply.
    """

    name: str
    revision: str
    layer: int

    def encode(self, texts: Sequence[str], *, progress: bool = False, language: str | None = None) -> np.ndarray:
        """Encode sentences.

        Args:
            texts (`Sequence[str]`): The sentences.
            progress (`bool`, *optional*, defaults to `False`): Whether to show a progress bar.
            language (`str`, *optional*): The code of their language, for encoders that ask for it.

        Returns:
            `np.ndarray`: One float32 vector a sentence, not normalised. Shape: (texts, dimension).
        """
        ...


def needs_language(encoder: object) -> bool:
    """Tell whether an encoder is given the sentences of one language a call.

    Args:
        encoder (`object`): An [`Encoder`].
    """
    return bool(getattr(encoder, "needs_language", False))


def encode_in(encoder: Encoder, texts: Sequence[str], language: str, *, progress: bool = False) -> np.ndarray:
    """Encode the sentences of one language, telling it to encoders that ask for it.

    Args:
        encoder (`Encoder`): The encoder.
        texts (`Sequence[str]`): The sentences.
        language (`str`): Code of their language.
        progress (`bool`, *optional*, defaults to `False`): Whether to show a progress bar.

    Returns:
        `np.ndarray`: Shape: (texts, dimension), float32.
    """
    if needs_language(encoder):
        return encoder.encode(texts, progress=progress, language=language)
    return encoder.encode(texts, progress=progress)
