"""Which sentences of a language are read where `--max_sentences` caps them: those of the smallest seeded hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm.data.corpus.options import ReadOptions
from hf_mplm.data.corpus.report import CorpusReport
from hf_mplm.data.corpus.segments import Segment
from hf_mplm.data.tokenizing.encoding import hash_sentences
from hf_mplm.jobs.files import atomic_write
from hf_mplm.jobs.job import finished_results
from hf_mplm.jobs.parts import read_result, write_result

from .sentences import read_sentences, split_words


__all__ = ["HashedPart", "Selection", "hash_part", "hashed_part", "make_selection"]


@dataclass(frozen=True)
class Selection:
    """What is read: of the languages that are named, the sentences whose hashes are below a bound; of others all.

    A hash depends on the text of a sentence and the seed alone, so that neither the order of the corpus nor its other
    languages change what is selected, and copies of a sentence are in or out together.

    Args:
        seed (`int`, *optional*, defaults to 0): of the hashes.
        bounds (`tuple[tuple[str, int], ...]`, *optional*): languages and bounds.
    """

    seed: int = 0
    bounds: tuple[tuple[str, int], ...] = ()

    def of(self, language: str, texts: Sequence[str]) -> np.ndarray:
        """Which of some sentences are read. Shape: (texts,), bool."""
        bound = dict(self.bounds).get(language)
        if bound is None or not texts:
            return np.ones(len(texts), dtype=bool)
        return np.asarray(hash_sentences(texts, self.seed) < np.uint64(bound))


@dataclass(frozen=True)
class HashedPart:
    """A piece of the corpus whose sentences are hashed.

    Args:
        index (`int`): its place in the corpus.
        folder (`str`): where its result is written.
        segments (`tuple[Segment, ...]`): what it reads.
        options (`ReadOptions`): how it reads.
        min_words (`int`): words that a sentence must have to count.
        max_sentences (`int`): how many of a language are wanted.
        seed (`int`): of the hashes.
    """

    index: int
    folder: str
    segments: tuple[Segment, ...]
    options: ReadOptions
    min_words: int
    max_sentences: int
    seed: int

    @property
    def weight(self) -> int:
        """Estimated bytes of text."""
        return sum(segment.weight for segment in self.segments)

    @property
    def path(self) -> Path:
        """Its hashes, language after language; how many each has stands beside, as JSON."""
        return Path(self.folder) / f"{self.index:07d}.hashes"


def hash_part(part: HashedPart) -> dict[str, int]:
    """Hash the sentences of one part, and keep no more of a language than can decide.

    Args:
        part (`HashedPart`): what to do.

    Returns:
        `dict[str, int]`: `sentences` and `weight`, for the progress bar.
    """
    kept: dict[str, int] = {}
    sentences = 0
    with atomic_write(part.path) as handle:
        for language, texts in read_sentences(part.segments, part.options, CorpusReport()).items():
            long = [text for text in texts if len(split_words(text, language, False).words) >= part.min_words]
            hashes: Any = np.sort(hash_sentences(long, part.seed))[: part.max_sentences + 1] if long else []
            handle.write(np.asarray(hashes, dtype="<u8").tobytes())
            kept[language] = len(hashes)
            sentences += len(long)
    write_result(part.path.with_suffix(".json"), part.path, {"languages": kept})
    return {"sentences": sentences, "weight": part.weight}


def hashed_part(part: HashedPart, *, verify: bool = True) -> dict[str, Any] | None:
    """How many hashes a part kept of each language; None if it is not finished.

    Args:
        part (`HashedPart`): the part.
        verify (`bool`, *optional*, defaults to `True`): whether to hold its hashes against their digest.
    """
    return read_result(part.path.with_suffix(".json"), part.path, ("languages",), verify=verify)


def make_selection(parts: Sequence[HashedPart], max_sentences: int, seed: int) -> Selection:
    """The bounds below which each language has `max_sentences` at most; no bound where all may be read.

    Args:
        parts (`Sequence[HashedPart]`): all parts, finished.
        max_sentences (`int`): most sentences of a language.
        seed (`int`): of the hashes.
    """
    smallest: dict[str, np.ndarray] = {}
    for part, found in zip(parts, finished_results(parts, hashed_part)):
        hashes, start = np.fromfile(part.path, dtype="<u8"), 0
        for language, number in found["languages"].items():
            own = np.concatenate([smallest.get(language, hashes[:0]), hashes[start : start + number]])
            smallest[language] = np.sort(own)[: max_sentences + 1]
            start += number
    capped = {language: own for language, own in smallest.items() if len(own) > max_sentences}
    return Selection(seed, tuple((language, int(own[-1])) for language, own in sorted(capped.items())))
