"""Words of many languages with a vector each, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hf_mplm._lists import as_list


__all__ = ["WordVectors"]


@dataclass(frozen=True)
class WordVectors:
    """Words of many languages with a vector each, as training an encoder towards them takes them.

    ```python
    vectors = WordVectors.from_languages({"eng_Latn": (["house", "tree"], english), "deu_Latn": (["Haus"], german)})
    ```

    Args:
        words (`Sequence[str]`): the words, as they are spelled in text; languages may have some in common.
        languages (`Sequence[str]`): codes, such as `deu_Latn`.
        labels (`np.ndarray`): the language of each word, an index into `languages`. Shape: (words,), integers.
        vectors (`np.ndarray`): Shape: (words, dimensions), float32.
        encoder (`str`, *optional*): name of the encoder that the vectors were extracted from, where there was one.

    Raises:
        ValueError: when these do not fit together, there is no word, or a vector holds what is no number.
    """

    words: Sequence[str]
    languages: Sequence[str]
    labels: np.ndarray
    vectors: np.ndarray
    encoder: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.words, str):
            raise ValueError("words must be a list of words, and one string was given")
        object.__setattr__(self, "languages", as_list(self.languages))
        if self.vectors.ndim != 2 or not len(self.words) == len(self.labels) == len(self.vectors):
            raise ValueError(
                f"there are {len(self.words)} words, {len(self.labels)} labels and vectors of shape "
                f"{self.vectors.shape}; give one of each for every word"
            )
        if not len(self.words) or not self.vectors.shape[1]:
            raise ValueError("there are no word vectors: give at least one word with its vector")
        if not np.issubdtype(self.labels.dtype, np.integer) or not (
            0 <= self.labels.min() <= self.labels.max() < len(self.languages)
        ):
            raise ValueError(
                f"labels must be indices into the {len(self.languages)} languages, and go from {self.labels.min()} to "
                f"{self.labels.max()}"
            )
        for start in range(0, len(self.vectors), _BLOCK):
            finite = np.isfinite(self.vectors[start : start + _BLOCK]).all(axis=1)
            if not finite.all():
                row = start + int(np.argmin(finite))
                raise ValueError(
                    f"the vector of {self.words[row]!r} ({self.languages[self.labels[row]]}) holds what is no number"
                )

    def __len__(self) -> int:
        return len(self.words)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    @classmethod
    def from_languages(
        cls, tables: Mapping[str, tuple[Sequence[str], np.ndarray]], encoder: str | None = None
    ) -> WordVectors:
        """Put the words of several languages together.

        Args:
            tables (`Mapping`): code to words and vectors. Shapes: (words of the language, dimensions).
            encoder (`str`, *optional*): what they were extracted from.

        Raises:
            ValueError: when there are none, or the languages' vectors are of unequal dimension.
        """
        if not tables:
            raise ValueError("there are no word vectors: give the words of at least one language")
        if any(isinstance(words, str) for words, _ in tables.values()):
            raise ValueError("words must be a list of words for each language, and one string was given")
        widths = {code: vectors.shape[-1] for code, (_, vectors) in tables.items()}
        if len(set(widths.values())) > 1:
            shown = ", ".join(f"{code} {width}" for code, width in sorted(widths.items()))
            raise ValueError(f"the languages' vectors are of unequal dimension: {shown}")
        sizes = [len(words) for words, _ in tables.values()]
        return cls(
            words=[word for words, _ in tables.values() for word in words],
            languages=list(tables),
            labels=np.repeat(np.arange(len(sizes)), sizes),
            vectors=np.concatenate([np.asarray(vectors, dtype=np.float32) for _, vectors in tables.values()]),
            encoder=encoder,
        )


# Rows that are looked at together, so that no second table of all of them is made.
_BLOCK = 65_536
