"""The targets of an epoch in a random order, read from disk in runs, so that memory does not grow with the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from hf_mplm.data.batches.randomness import GOLDEN, mix64, permute, random_words

from .context_parts import Section
from .occurrences import random_stream, uniform


__all__ = ["NegativeSampler", "TargetBatch", "TargetReader"]

# Targets that are read in one run, and of how many runs targets are mixed with each other.
_RUN = 4096
_RUNS_MIXED = 16
_EPOCH_SIZE = 40  # bits of the number of a target within its epoch


class TargetBatch(NamedTuple):
    """Targets of one step.

    Args:
        contexts (`np.ndarray`): Shape: (targets, size), float16.
        words (`np.ndarray`): places in the vocabulary. Shape: (targets,), int64.
        first (`int`): number of the first target among those of all epochs.
    """

    contexts: np.ndarray
    words: np.ndarray
    first: int


class TargetReader:
    """Reads the targets of one language, epoch by epoch.

    Args:
        sections (`Sequence[Section]`): what the parts keep of the language, in the order of the corpus.
        targets_per_step (`int`): targets of a batch; the last one of an epoch may have fewer.
        seed (`int`): seed of the order.
        language (`str`): code.
    """

    def __init__(self, sections: Sequence[Section], *, targets_per_step: int, seed: int, language: str) -> None:
        self.runs = [
            (section, start, min(start + _RUN, len(section.words)))
            for section in sections
            for start in range(0, len(section.words), _RUN)
        ]
        self.targets_per_step = targets_per_step
        self.key = mix64(random_words(seed, random_stream("order", language), [0], 1)[0])

    def epoch(self, number: int) -> Iterator[TargetBatch]:
        """The targets of one epoch.

        Runs of the text come in a random order, and those that stand together in it are mixed.

        Args:
            number (`int`): which, from 0.
        """
        size, first = self.targets_per_step, number << _EPOCH_SIZE
        contexts: list[np.ndarray] = []
        words: list[np.ndarray] = []
        order = self._shuffled(len(self.runs), number, 0)
        for start in range(0, len(order), _RUNS_MIXED):
            for run in order[start : start + _RUNS_MIXED]:
                section, begin, end = self.runs[run]
                of_run = _read_run(section, begin, end, number)
                contexts.append(of_run[0])
                words.append(of_run[1])
            rows, labels = np.concatenate(contexts), np.concatenate(words)
            mixed = self._shuffled(len(labels), number, start + 1)
            is_last = start + _RUNS_MIXED >= len(order)
            stop = len(labels) if is_last else len(labels) // size * size
            for begin in range(0, stop, size):
                chosen = mixed[begin : min(begin + size, stop)]
                yield TargetBatch(rows[chosen], labels[chosen], first)
                first += len(chosen)
            # What fills no batch goes on with the next runs.
            contexts, words = [rows[mixed[stop:]]], [labels[mixed[stop:]]]

    def _shuffled(self, n: int, epoch: int, place: int) -> np.ndarray:
        key = mix64(self.key + GOLDEN * np.array([epoch << 32 | place], dtype=np.uint64))[0]
        return permute(np.arange(n), np.full(n, n), np.full(n, key, dtype=np.uint64))


def _read_run(section: Section, start: int, stop: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    kept = np.flatnonzero(section.drawn[start:stop, epoch])
    rows = section.rows[start:stop][kept]
    words = section.words[start:stop][kept].astype(np.int64)
    if not len(rows):
        return np.empty((0, section.contexts.shape[1]), dtype=np.float16), words
    # Contexts of neighbouring targets stand together: one read, of which some rows are taken.
    block = np.asarray(section.contexts[rows[0] : rows[-1] + 1])
    return block[rows - rows[0]], words


class NegativeSampler:
    """Draws words by the root of their counts, as a function of the seed and the target alone.

    Args:
        counts (`np.ndarray`): of the vocabulary's words. Shape: (words,).
        negatives (`int`): words for each target.
        seed (`int`): seed of the run.
        language (`str`): code.
    """

    def __init__(self, counts: np.ndarray, *, negatives: int, seed: int, language: str) -> None:
        self.cumulative = np.cumsum(np.sqrt(counts.astype(np.float64)))
        self.negatives, self.seed, self.stream = negatives, seed, random_stream("negatives", language)

    def draw(self, first: int, n: int) -> np.ndarray:
        """Words for the targets from number `first` on. Shape: (n, negatives), int64."""
        words = random_words(self.seed, self.stream, np.arange(first, first + n, dtype=np.uint64), self.negatives)
        drawn = np.searchsorted(self.cumulative, uniform(words) * self.cumulative[-1], side="right")
        return np.minimum(drawn, len(self.cumulative) - 1)
