from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .randomness import GOLDEN, mix64, permute, random_words
from .schedules import Schedule


__all__ = ["DrawPiece", "LanguageDraws", "LengthGroupedDraws"]

# Streams of the random words drawn here; `masking` has those below.
_PHASES, _ORDER, _ROWS, _BATCHES = range(2**31, 2**31 + 4)
# An alpha that changes does so in this many stages of equal length, so that the table of prefix sums stays small.
_STAGES = 1024
# Probabilities are multiples of 2**-32: whole numbers, so that sums do not depend on the machine. Their products with
# draw numbers must fit into 63 bits.
_SHIFT = 32
MAX_DRAWS = 2_000_000_000


class DrawPiece(NamedTuple):
    """Consecutive draws: the number of the first, language and row of each. Shapes: (), `(n,)`, `(n,)`."""

    first: int
    languages: np.ndarray
    rows: np.ndarray


class _PieceCache:
    """The pieces computed last. A loader asks for draws in order, so a few are enough."""

    def __init__(self) -> None:
        self._pieces: deque[DrawPiece] = deque(maxlen=4)

    def find(self, draw: int) -> DrawPiece | None:
        for piece in self._pieces:
            if piece.first <= draw < piece.first + len(piece.rows):
                return piece
        return None

    def add(self, piece: DrawPiece) -> DrawPiece:
        self._pieces.appendleft(piece)
        return piece


class LanguageDraws:
    """An endless sequence of draws with p ~ n^alpha, any of which is computed alone; see `LanguageSampler`.

    Time runs in draws. Until time t, a language with probability p has floor(p * t + phase) draws, with a seeded phase
    in [0, 1): never a whole draw away from what is expected. All draws between times b * `block_size` and (b + 1) *
    `block_size` make block b, in seeded order. Rounding lets a block begin up to one draw a language away from its
    time.

    Args:
        labels (`np.ndarray`): language of each row. Shape: (rows,).
        alpha (`Schedule`): the exponent.
        seed (`int`): 0 to 2**64 - 1.
        num_draws (`int`): draws in the whole training, over which `alpha` is scheduled.
        block_size (`int`): draws in a block.
        num_languages (`int`): number of languages.
        replay (`tuple[Sequence[int], float]`, *optional*): languages, and the share of all draws that they have.
    """

    def __init__(
        self,
        labels: np.ndarray,
        *,
        alpha: Schedule,
        seed: int,
        num_draws: int,
        block_size: int,
        num_languages: int,
        replay: tuple[Sequence[int], float] | None = None,
    ) -> None:
        self.alpha = alpha
        self._replay = replay
        self.seed = seed
        self.num_draws = num_draws
        self.block_size = block_size
        self._index_runs(labels, num_languages)
        self._tabulate_stages()
        phases = random_words(seed, _PHASES, [0], num_languages)[0] >> np.uint64(_SHIFT)
        self._phases = phases.astype(np.int64)
        self._row_key = random_words(seed, _ROWS, [0], 1)[0]
        self._blocks = _PieceCache()

    def piece(self, draw: int) -> DrawPiece:
        """The block in which a draw lies."""
        return self._blocks.find(draw) or self._blocks.add(self._compute(self._block_of(draw)))

    def counts_before(self, draw: int) -> np.ndarray:
        """Draws of each language before a draw. Shape: (num_languages,), int64."""
        piece = self.piece(draw)
        within = np.bincount(piece.languages[: draw - piece.first], minlength=len(self.sizes))
        return self._counts_at(self._block_of(draw)) + within

    def probabilities(self, alpha: float) -> np.ndarray:
        """n^alpha, normalised, replayed languages and others apart; 0 for a language without rows.

        Shape: (num_languages,), float64.
        """
        weights = np.zeros(len(self.sizes))
        present = self.sizes > 0
        weights[present] = (self.sizes[present] / self.sizes.max()) ** alpha
        if self._replay is not None:
            languages, share = self._replay
            replayed = np.isin(np.arange(len(weights)), list(languages))
            for part, whole in ((replayed, share), (~replayed, 1 - share)):
                weights[part] *= whole / weights[part].sum()
        return weights / weights.sum()

    def _index_runs(self, labels: np.ndarray, num_languages: int) -> None:
        """Keep where runs of one language begin: a few numbers in all, where the rows stand in order of language."""
        starts = np.concatenate([[0], np.flatnonzero(labels[1:] != labels[:-1]) + 1])
        lengths = np.diff(np.append(starts, len(labels)))
        languages = labels[starts]
        order = np.argsort(languages, kind="stable")
        dtype = np.int32 if len(labels) < 2**31 else np.int64
        self._run_starts = starts[order].astype(dtype)
        self._run_offsets = (np.cumsum(lengths[order]) - lengths[order]).astype(dtype)
        self.sizes = np.bincount(languages, weights=lengths, minlength=num_languages).astype(np.int64)
        self._language_offsets = np.cumsum(self.sizes) - self.sizes

    def _tabulate_stages(self) -> None:
        """Tabulate when each stage of alpha begins, the probabilities in it, and the draws expected before it."""
        stages = 1 if self.alpha.is_constant else max(1, min(_STAGES, self.num_draws))
        bounds = np.arange(stages + 1) * self.num_draws // stages
        alphas = self.alpha.values((bounds[:-1] + bounds[1:]) / 2, self.num_draws)
        rates = np.empty((stages, len(self.sizes)), dtype=np.int64)
        for stage, alpha in enumerate(alphas):
            rates[stage] = np.rint(self.probabilities(alpha) * 2.0**_SHIFT)
            # They sum to 1 exactly, so that a block begins close to its time however late it comes.
            rates[stage, rates[stage].argmax()] += 2**_SHIFT - rates[stage].sum()
        self._stage_starts, self._stage_rates = bounds[:-1], rates
        self._stage_expected = np.zeros_like(rates)
        np.cumsum(rates[:-1] * np.diff(bounds)[:-1, None], axis=0, out=self._stage_expected[1:])

    def _counts_at(self, block: int) -> np.ndarray:
        time = block * self.block_size
        stage = int(np.searchsorted(self._stage_starts, time, side="right")) - 1
        expected = self._stage_expected[stage] + self._stage_rates[stage] * (time - self._stage_starts[stage])
        return (expected + self._phases) >> _SHIFT

    def _block_of(self, draw: int) -> int:
        block = draw // self.block_size
        while self._counts_at(block).sum() > draw:
            block -= 1
        while self._counts_at(block + 1).sum() <= draw:
            block += 1
        return block

    def _compute(self, block: int) -> DrawPiece:
        before = self._counts_at(block)
        counts = self._counts_at(block + 1) - before
        languages = np.repeat(np.arange(len(counts)), counts)
        # The number of each draw among those of its language goes on from where the block before left off. Only
        # languages are shuffled, and then numbered in order: the last rows of a pass must come before the first of the
        # next.
        ordinals = np.empty(len(languages), dtype=np.int64)
        in_order = np.arange(len(languages)) - np.repeat(np.cumsum(counts) - counts - before, counts)
        words = random_words(self.seed, _ORDER, [block], len(languages))[0]
        languages = languages[np.argsort(words, kind="stable")]
        ordinals[np.argsort(languages, kind="stable")] = in_order

        sizes = self.sizes[languages]
        passes, places = np.divmod(ordinals, sizes)
        key = mix64(self._row_key + (languages + 1).astype(np.uint64) * GOLDEN)
        key = mix64(key + (passes + 1).astype(np.uint64) * GOLDEN)
        places = self._language_offsets[languages] + permute(places, sizes, key)
        # In the offsets' own type: otherwise all of them would be converted first.
        run = np.searchsorted(self._run_offsets, places.astype(self._run_offsets.dtype), side="right") - 1
        rows = self._run_starts[run].astype(np.int64) + places - self._run_offsets[run]
        return DrawPiece(int(before.sum()), languages, rows)


class LengthGroupedDraws:
    """The same draws with rows of like length side by side.

    Each window is sorted by length and cut into batches, and the batches are shuffled.

    Args:
        draws (`LanguageDraws`): the draws.
        lengths (`np.ndarray`): length of each row. Shape: (rows,).
        batch_size (`int`): draws in a batch.
        window_batches (`int`): batches in a window.
    """

    def __init__(self, draws: LanguageDraws, lengths: np.ndarray, *, batch_size: int, window_batches: int) -> None:
        self.draws = draws
        self.lengths = lengths
        self.batch_size = batch_size
        self.window_size = batch_size * window_batches
        self._windows = _PieceCache()

    def piece(self, draw: int) -> DrawPiece:
        """The window in which a draw lies."""
        return self._windows.find(draw) or self._windows.add(self._compute(draw // self.window_size))

    def counts_before(self, draw: int) -> np.ndarray:
        """Draws of each language before a draw. Shape: (num_languages,), int64."""
        piece = self.piece(draw)
        within = np.bincount(piece.languages[: draw - piece.first], minlength=len(self.draws.sizes))
        return self.draws.counts_before(piece.first) + within

    def _compute(self, window: int) -> DrawPiece:
        first, stop = window * self.window_size, (window + 1) * self.window_size
        languages, rows = draws_between(self.draws, first, stop)
        batches = np.argsort(self.lengths[rows], kind="stable").reshape(-1, self.batch_size)
        shuffle = np.argsort(random_words(self.draws.seed, _BATCHES, [window], len(batches))[0], kind="stable")
        order = batches[shuffle].reshape(-1)
        return DrawPiece(first, languages[order], rows[order])


def draws_between(draws: LanguageDraws | LengthGroupedDraws, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """The languages and the rows of draws `start` to `stop` - 1. Shapes: (stop - start,), int64."""
    languages, rows = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    while start < stop:
        piece = draws.piece(start)
        inside = slice(start - piece.first, stop - piece.first)
        languages.append(piece.languages[inside])
        rows.append(piece.rows[inside])
        start += len(rows[-1])
    return np.concatenate(languages), np.concatenate(rows)
