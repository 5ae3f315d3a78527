"""The text of a store or a corpus, as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm.data.store.pair_store import load_pair_store
from hf_mplm.data.store.token_store import PAIR_FORMAT, STORE_FILE, load_store
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.jobs.files import read_json


__all__ = ["StoreText"]

_ROWS = 256
# Tokens after which a sentence is read although its end has not come.
_MOST = 1 << 16


class StoreText:
    """The sentences of a store that is trained on, as its tokenizer reads them back; what is held out is left out.

    Chunks are cut anywhere: the ids of a language go on from one row to the next, so that no sentence is lost between
    two rows.

    Args:
        path (`str` or `Path`): A token store or a pair store.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is no store.
        DamagedError: If it is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        info = read_json(Path(path) / STORE_FILE) if Path(path).is_dir() else None
        is_pairs = isinstance(info, dict) and info.get("format") == PAIR_FORMAT
        store: Any = load_pair_store(path) if is_pairs else load_store(path)
        self.rows, self.languages = store.train, list(store.train.features["language"].names)
        self.tokenizer = load_tokenizer(Path(path) / "tokenizer")
        (self.end,) = self.tokenizer("a")["input_ids"][-1:]
        self.splits = self.end in self.tokenizer.all_special_ids

    def lines(self) -> Iterator[tuple[str, list[str]]]:
        """Read the store.

        Yields:
            `tuple[str, list[str]]`: A language, and sentences that follow each other.
        """
        left, language = np.empty(0, np.int64), None
        columns = self.rows.select_columns(["input_ids", "language"]).with_format("arrow")
        for batch in columns.iter(batch_size=_ROWS):
            labels = batch.column("language").to_numpy()
            rows = batch.column("input_ids").to_pylist()
            for begin, stop in _runs(labels):
                code = self.languages[labels[begin]]
                if code != language and language is not None:
                    yield language, self.decode([left])
                    left = left[:0]
                language = code
                ids = np.concatenate([left, *(np.asarray(row, np.int64) for row in rows[begin:stop])])
                sentences, left = self._sentences(ids)
                yield code, self.decode(sentences)
        if language is not None:
            yield language, self.decode([left])

    def as_stored(self, texts: Sequence[str]) -> list[str]:
        """What comes back of texts that were put into the store: without what its tokenizer does not know.

        Args:
            texts (`Sequence[str]`): Texts.
        """
        if not texts:
            return []
        ids = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return self.decode(ids)

    def decode(self, rows: Iterable[Any]) -> list[str]:
        """The text of rows of ids, without special tokens and without what was unknown.

        Args:
            rows (`Iterable[Sequence[int]]`): Rows of ids.
        """
        lists = [list(map(int, row)) for row in rows if len(row)]
        decoded: list[str] = self.tokenizer.batch_decode(
            lists, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return decoded

    def _sentences(self, ids: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The whole sentences, and the ids of the one that goes on."""
        if not self.splits:
            return ([ids], ids[:0]) if len(ids) >= _MOST else ([], ids)
        ends = np.flatnonzero(ids == self.end) + 1
        *sentences, left = np.split(ids, ends)
        return ([*sentences, left], left[:0]) if len(left) >= _MOST else (sentences, left)


def _runs(labels: np.ndarray) -> Iterator[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    yield from ((begin, stop) for begin, stop in zip(edges, edges[1:]) if begin < stop)
