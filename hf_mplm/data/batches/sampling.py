from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from torch.utils.data import Dataset, Sampler

from .columns import language_labels, row_lengths
from .draws import MAX_DRAWS, LanguageDraws, LengthGroupedDraws, draws_between
from .randomness import check_seed
from .schedules import Schedule, ScheduleValue


__all__ = ["LanguageSampler", "Rows", "SampledDataset", "fetch_rows", "language_labels", "row_lengths"]


class LanguageSampler(Sampler[int]):
    """Draws of rows, with languages chosen by p ~ n^alpha, where n is the number of rows (chunks) of the language.

    Row and language of draw t are a pure function of the arguments and of t, found without the draws before it. They
    are exact where chance is not needed: until any block's end a language has had its expected number of draws, to one
    draw. Within a language no row comes again before all have come, and each pass has an order of its own. The seed
    decides the rest. LangSAMP and XLM-R use alpha 0.3 (Conneau et al. 2020); mmBERT anneals 0.7, 0.5,
    0.3.

    Iterating gives *draw numbers* from `start` on, which [`SampledDataset`] takes as indices. Do not index the rows
    with them.

    ```python
    sampler = LanguageSampler(language_labels(dataset), alpha=0.3, seed=42, num_draws=max_steps * batch_size)
    loader = DataLoader(SampledDataset(dataset, sampler), sampler=sampler, batch_size=32, collate_fn=collator)
    ```

    Args:
        labels (`np.ndarray`): language of each row, as [`language_labels`] reads it. Shape: (rows,).
        alpha (`float`, `str`, `dict`, `list` or `Schedule`, *optional*, defaults to 0.3): exponent, or a schedule of
            it: 1 is proportional to size, 0 is uniform over languages.
        seed (`int`, *optional*, defaults to 0): 0 to 2**64 - 1.
        num_draws (`int`, *optional*): draws in the whole training; by default one epoch, that is as many as there are
            rows.
        start (`int`, *optional*, defaults to 0): draw at which iterating begins.
        block_size (`int`, *optional*, defaults to 1024): draws within which the order is shuffled. Another size gives
            other draws.
        num_languages (`int`, *optional*): number of languages, where some beyond the largest label have no rows.
        group_by_length (`bool`, *optional*, defaults to `False`): put rows of like length into the same batch, for
            less padding: a window of draws is sorted by length, cut into batches, and the batches are shuffled. Two
            passes over a language may then meet inside a window.
        lengths (`np.ndarray`, *optional*): length of each row, as [`row_lengths`] reads it, for `group_by_length`.
            Shape: (rows,).
        batch_size (`int`, *optional*): draws in a batch, for `group_by_length`: those of all processes together.
        window_batches (`int`, *optional*, defaults to 50): batches in a window, for `group_by_length`.
        replay (`tuple[Sequence[int], float]`, *optional*): labels of languages, and the share of all draws that they
            have together; alpha goes on deciding among them, and among the others.

    Raises:
        ValueError: when an argument is impossible.
    """

    def __init__(
        self,
        labels: np.ndarray | Sequence[int],
        *,
        alpha: ScheduleValue = 0.3,
        seed: int = 0,
        num_draws: int | None = None,
        start: int = 0,
        block_size: int = 1024,
        num_languages: int | None = None,
        group_by_length: bool = False,
        lengths: np.ndarray | Sequence[int] | None = None,
        batch_size: int | None = None,
        window_batches: int = 50,
        replay: tuple[Sequence[int], float] | None = None,
    ) -> None:
        labels = np.asarray(labels)
        if labels.ndim != 1 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
            minimum = labels.min() if labels.size else None
            raise ValueError(
                f"labels must be the language of each row, as whole numbers from 0, but have shape {labels.shape}, "
                f"type {labels.dtype} and minimum {minimum}: pass language_labels(dataset)"
            )
        present = int(labels.max()) + 1
        if num_languages is not None and num_languages < present:
            raise ValueError(f"num_languages is {num_languages}, but the labels go up to {present - 1}")
        self.num_rows = len(labels)
        self.num_draws = self.num_rows if num_draws is None else int(num_draws)
        self.start = int(start)
        if not 0 <= self.start <= self.num_draws <= MAX_DRAWS or not 1 <= block_size <= 2**20:
            raise ValueError(
                f"start is {start}, num_draws {self.num_draws} and block_size {block_size}, but they must be "
                f"0 <= start <= num_draws <= {MAX_DRAWS} and 1 <= block_size <= {2**20}"
            )
        if replay is not None:
            chosen, there = set(replay[0]), set(np.unique(labels).tolist())
            if not 0 < replay[1] < 1 or not chosen or not chosen < there:
                raise ValueError(
                    f"languages {sorted(chosen)} are to have {replay[1]} of the draws; needed are a share between 0 "
                    "and 1, and some of the languages that have rows, but not all of them"
                )
        self._base = LanguageDraws(
            labels,
            alpha=Schedule.parse(alpha, name="alpha", minimum=0.0),
            seed=check_seed(seed),
            num_draws=self.num_draws,
            block_size=int(block_size),
            num_languages=num_languages or present,
            replay=replay,
        )
        self._draws: LanguageDraws | LengthGroupedDraws = self._base
        if group_by_length:
            given = None if lengths is None else len(lengths)
            if lengths is None or given != self.num_rows or not batch_size or batch_size < 1 or window_batches < 1:
                raise ValueError(
                    f"group_by_length needs the lengths of all {self.num_rows} rows (given: {given}), batch_size "
                    f"(given: {batch_size}) and window_batches >= 1 (given: {window_batches}): "
                    "LanguageSampler(labels, group_by_length=True, lengths=row_lengths(dataset), batch_size=32)"
                )
            self._draws = LengthGroupedDraws(
                self._base, np.asarray(lengths), batch_size=int(batch_size), window_batches=int(window_batches)
            )

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each language. Shape: (num_languages,), int64."""
        return self._base.sizes

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.num_draws))

    def __len__(self) -> int:
        return self.num_draws - self.start

    def row(self, draw: int) -> int:
        """The row that a draw takes."""
        self._check_range(draw, draw + 1)
        piece = self._draws.piece(draw)
        return int(piece.rows[draw - piece.first])

    def rows(self, start: int, stop: int) -> np.ndarray:
        """The rows that draws `start` to `stop` - 1 take.

        Returns:
            `np.ndarray`: rows. Shape: (stop - start,), int64.

        Raises:
            IndexError: when there are no such draws.
        """
        self._check_range(start, stop)
        return draws_between(self._draws, start, stop)[1]

    def language_counts(self, start: int, stop: int) -> np.ndarray:
        """How many of the draws `start` to `stop` - 1 each language has. Its cost does not depend on their number.

        Returns:
            `np.ndarray`: counts. Shape: (num_languages,), int64.

        Raises:
            IndexError: when there are no such draws.
        """
        self._check_range(start, stop)
        return self._draws.counts_before(stop) - self._draws.counts_before(start)

    def probabilities(self, draw: int = 0) -> np.ndarray:
        """The probability of each language by the alpha of a draw.

        Returns:
            `np.ndarray`: probabilities; 0 for a language without rows. Shape: (num_languages,), float64.
        """
        return self._base.probabilities(self._base.alpha.at(draw, self.num_draws))

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.num_draws:
            raise IndexError(f"draws {start} to {stop - 1} were asked for, but there are 0 to {self.num_draws - 1}")


class Rows(Protocol):
    """A map-style dataset of mappings, such as `datasets.Dataset` or a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


class SampledDataset(Dataset):
    """Rows of a dataset in the order of a sampler's draws: item t is row `sampler.row(t)` with `"draw": t` added.

    An index is a draw number, so a plain sequential loader goes through training in order: sharding over processes,
    worker processes and skipping the batches of a resumed run need nothing of ours.

    Args:
        dataset (`datasets.Dataset` or another map-style dataset of mappings): the rows.
        sampler (`LanguageSampler`): the draws.

    Raises:
        ValueError: when the sampler was made for another number of rows.
    """

    def __init__(self, dataset: Rows, sampler: LanguageSampler) -> None:
        if sampler.num_rows != len(dataset):
            raise ValueError(
                f"the sampler has {sampler.num_rows} rows and the dataset {len(dataset)}: make the sampler of this "
                "dataset, LanguageSampler(language_labels(dataset), ...)"
            )
        self.dataset = dataset
        self.sampler = sampler

    def __len__(self) -> int:
        return self.sampler.num_draws

    def __getitem__(self, draw: int) -> dict[str, Any]:
        return self.__getitems__([draw])[0]

    def __getitems__(self, draws: Sequence[int]) -> list[dict[str, Any]]:
        draws = [int(draw) for draw in draws]
        outside = [draw for draw in draws if not 0 <= draw < len(self)]
        if outside:
            raise IndexError(f"draw {outside[0]} was asked for, but there are 0 to {len(self) - 1}")
        items = fetch_rows(self.dataset, [self.sampler.row(draw) for draw in draws])
        return [{**item, "draw": draw} for item, draw in zip(items, draws)]


def fetch_rows(dataset: Rows, rows: Sequence[int]) -> Sequence[Mapping[str, Any]]:
    """Read rows at once, by the loader's own protocol, which `datasets` implements and a list does not."""
    fetch = getattr(dataset, "__getitems__", None)
    return fetch(rows) if fetch is not None else [dataset[row] for row in rows]
