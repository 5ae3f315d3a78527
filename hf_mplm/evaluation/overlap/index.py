"""Which of many sentences occur in a stream of text, whole or in long runs, in memory that the stream does not change.

Runs are found by rolling hashes (Karp and Rabin 1987) over the letters of the stream: every position of the stream is
looked up, and every `stride`-th run of a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .letters import is_dense, letters_of


__all__ = ["GRAMS", "Gram", "SentenceIndex"]


@dataclass(frozen=True)
class Gram:
    """Runs of letters that are looked for.

    Every run of `length + stride - 1` letters that text and sentence share is found, and none of fewer than `length`.

    Args:
        length (`int`): Letters of a run.
        stride (`int`): Of a sentence's runs every so many-th is looked for, and the last.
    """

    length: int
    stride: int


GRAMS = (Gram(32, 8), Gram(12, 3))
"""For alphabets (32 letters are five to eight words) and for scripts of which a character is a syllable or a word."""

_BLOCK = 1 << 18
# Odd numbers without a pattern; arithmetic is modulo 2^64.
_BASE, _SPREAD, _FINISH = 0x9E3779B97F4A7C15 | 1, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
# Stands between what is not one text; no letter has this number.
_BREAK = "\0"


class SentenceIndex:
    """Sentences to look for.

    Args:
        sentences (`Sequence[str]`): The sentences, as they stand in a test set.

    Attributes:
        length (`np.ndarray`): Letters of each. Shape: (sentences,).
        whole (`np.ndarray`): Which were met whole: as a line of the text or, if they have as many letters as a run,
            anywhere in it, also across its lines. Shape: (sentences,), bool.
    """

    def __init__(self, sentences: Sequence[str]) -> None:
        texts = list(map(letters_of, sentences))
        places: dict[str, int] = {}
        self._place = np.array([places.setdefault(text, len(places)) for text in texts], dtype=np.int64)
        self._texts = list(places)
        self._whole = np.zeros(len(places), dtype=bool)
        dense = [is_dense(text) for text in self._texts]
        self._scans = [
            _Scan(self._texts, [place for place, is_own in enumerate(dense) if is_own == own], gram, self._whole)
            for gram, own in zip(GRAMS, (False, True))
        ]
        indexed = {place for scan in self._scans for place in scan.places}
        self._short = {text: place for text, place in places.items() if text and place not in indexed}
        self._longest = max([gram.length for gram in GRAMS] + [len(text) for text in self._texts])
        self._pending: list[str] = []
        self._waiting = 0
        self._rest = ""
        self._powers = _Powers()
        self.letters_read = 0

    @property
    def is_short(self) -> np.ndarray:
        """Which are looked for as whole lines alone. Shape: (sentences,), bool."""
        short = np.ones(len(self._texts), dtype=bool)
        for scan in self._scans:
            short[scan.places] = False
        return short[self._place]

    @property
    def length(self) -> np.ndarray:
        return np.array([len(text) for text in self._texts], dtype=np.int64)[self._place]

    @property
    def whole(self) -> np.ndarray:
        return self._whole[self._place]

    def covered(self) -> np.ndarray:
        """The share of each sentence's runs that were met; 0 for sentences shorter than a run. Shape: (sentences,)."""
        shares = np.zeros(len(self._texts))
        for scan in self._scans:
            shares[scan.places] = scan.shares()
        return shares[self._place]

    def read(self, lines: Iterable[str]) -> None:
        """Look at text that goes on from what was read before.

        Args:
            lines (`Iterable[str]`): Its lines.
        """
        for line in lines:
            letters = letters_of(line)
            if (short := self._short.get(letters)) is not None:
                self._whole[short] = True
            self._add(letters)

    def break_off(self) -> None:
        """Say that what is read next is another text."""
        self._add(_BREAK)

    def finish(self) -> None:
        """Look at what is left to look at."""
        self._scan(keep=False)

    def _add(self, letters: str) -> None:
        self._pending.append(letters)
        self._waiting += len(letters)
        if self._waiting >= max(_BLOCK, 2 * self._longest):
            self._scan(keep=True)

    def _scan(self, keep: bool) -> None:
        text = self._rest + "".join(self._pending)
        self.letters_read += self._waiting
        self._pending, self._waiting = [], 0
        # What begins in the last letters may go on in the next block: they are looked at again with it.
        self._rest = text[-(self._longest - 1) :] if keep else ""
        if text:
            hashes = _Hashes(text, self._powers)
            for scan in self._scans:
                scan.look(hashes)


class _Powers:
    """Powers of the base and of its inverse, as many as were needed."""

    def __init__(self) -> None:
        self.up, self.down = np.ones(1, np.uint64), np.ones(1, np.uint64)

    def grow(self, n: int) -> None:
        if n > len(self.up):
            steps = np.full(n, _BASE, np.uint64)
            back = np.full(n, pow(_BASE, -1, 1 << 64), np.uint64)
            steps[0] = back[0] = 1
            self.up, self.down = np.cumprod(steps), np.cumprod(back)


class _Hashes:
    """Hashes of all runs of a text."""

    def __init__(self, text: str, powers: _Powers) -> None:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
        powers.grow(len(codes) + 1)
        self.n = len(codes)
        mixed = (codes + np.uint64(1)) * np.uint64(_SPREAD)
        mixed ^= mixed >> np.uint64(29)
        self._sums = np.zeros(self.n + 1, np.uint64)
        np.cumsum(mixed * powers.up[: self.n], out=self._sums[1:])
        self._down = powers.down

    def at(self, starts: np.ndarray, lengths: np.ndarray | int) -> np.ndarray:
        """Hashes of the runs that begin at `starts`. Shape: as `starts`, uint64."""
        hashes = (self._sums[starts + lengths] - self._sums[starts]) * self._down[starts]
        return _finish(hashes)

    def all(self, length: int) -> np.ndarray:
        """Hashes of all runs of a length. Shape: (letters - length + 1,), uint64."""
        n = self.n - length + 1
        return _finish((self._sums[length:] - self._sums[:n]) * self._down[:n])


def _finish(hashes: np.ndarray) -> np.ndarray:
    hashes = hashes ^ (hashes >> np.uint64(32))
    finished: np.ndarray = hashes * np.uint64(_FINISH)
    return finished


class _Scan:
    """The sentences that are looked for by runs of one length."""

    def __init__(self, texts: Sequence[str], chosen: Sequence[int], gram: Gram, whole: np.ndarray) -> None:
        self.gram, self._whole = gram, whole
        self.places = np.array([place for place in chosen if len(texts[place]) >= gram.length], dtype=np.int64)
        powers, runs, counts, full = _Powers(), [], [], []
        for place in self.places:
            text = texts[place]
            hashes = _Hashes(text, powers)
            last = len(text) - gram.length
            starts = np.unique(np.append(np.arange(0, last + 1, gram.stride), last))
            runs.append(hashes.at(starts, gram.length))
            counts.append(len(starts))
            full.append(hashes.at(np.zeros(1, np.int64), len(text))[0])
        self._counts = np.array(counts, dtype=np.int64)
        self._lengths = np.array([len(texts[place]) for place in self.places], dtype=np.int64)
        self._full = np.array(full, dtype=np.uint64)
        self._known, which = np.unique(np.concatenate([np.empty(0, np.uint64), *runs]), return_inverse=True)
        self._which = which.astype(np.int64)
        self._met = np.zeros(len(self._known), dtype=bool)
        self._starts = np.append(0, np.cumsum(self._counts))[:-1]
        # The sentences by their first run.
        first = self._which[self._starts] if len(self.places) else np.empty(0, np.int64)
        self._by_first = np.argsort(first, kind="stable")
        self._first = first[self._by_first]
        bits = min(26, max(10, int(np.ceil(np.log2(max(1, len(self._known)) * 16)))))
        self._shift = np.uint64(64 - bits)
        self._filter = np.zeros(1 << bits, dtype=bool)
        self._filter[self._known >> self._shift] = True

    def shares(self) -> np.ndarray:
        """Share of each sentence's runs that were met. Shape: (sentences that are looked for,)."""
        if not len(self.places):
            return np.empty(0)
        return np.add.reduceat(self._met[self._which].astype(np.float64), self._starts) / self._counts

    def look(self, hashes: _Hashes) -> None:
        """Note what of the sentences stands in a text."""
        if hashes.n < self.gram.length or not len(self._known):
            return
        runs = hashes.all(self.gram.length)
        positions = np.flatnonzero(self._filter[runs >> self._shift])
        found = runs[positions]
        where = np.searchsorted(self._known, found)
        where[where == len(self._known)] = 0
        is_known = self._known[where] == found
        positions, where = positions[is_known], where[is_known]
        self._met[where] = True
        self._look_for_whole(hashes, positions, where)

    def _look_for_whole(self, hashes: _Hashes, positions: np.ndarray, where: np.ndarray) -> None:
        begin = np.searchsorted(self._first, where, side="left")
        count = np.searchsorted(self._first, where, side="right") - begin
        starts = np.repeat(positions, count)
        offsets = np.arange(len(starts)) - np.repeat(np.cumsum(count) - count, count)
        sentences = self._by_first[np.repeat(begin, count) + offsets]
        lengths = self._lengths[sentences]
        open_ones = (starts + lengths <= hashes.n) & ~self._whole[self.places[sentences]]
        starts, sentences, lengths = starts[open_ones], sentences[open_ones], lengths[open_ones]
        same = hashes.at(starts, lengths) == self._full[sentences]
        self._whole[self.places[sentences[same]]] = True
