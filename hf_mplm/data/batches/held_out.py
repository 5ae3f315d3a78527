from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from .sampling import Rows, fetch_rows


__all__ = ["HeldOutDataset", "content_number"]


class HeldOutDataset(Dataset):
    """Held-out rows, with draws that are a function of a row's tokens, and not of its place.

    So the same row has the same masks in every store that holds it: the losses of models that were trained on other
    selections of languages can be compared.

    Args:
        dataset (`datasets.Dataset` or another map-style dataset of mappings): the rows, with `input_ids`.
        mask_draws (`int`, *optional*, defaults to 1): how often each row comes, with masks of its own each time. Item
            i is row i modulo the number of rows.

    Raises:
        ValueError: when `mask_draws` is below 1.
    """

    def __init__(self, dataset: Rows, mask_draws: int = 1) -> None:
        if mask_draws < 1:
            raise ValueError(f"mask_draws is {mask_draws}, but each row must come at least once")
        self.dataset = dataset
        self.mask_draws = mask_draws

    def __len__(self) -> int:
        return len(self.dataset) * self.mask_draws

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        outside = [index for index in indices if not 0 <= index < len(self)]
        if outside:
            raise IndexError(f"item {outside[0]} was asked for, but there are 0 to {len(self) - 1}")
        places = [divmod(int(index), len(self.dataset)) for index in indices]
        items: Sequence[Mapping] = fetch_rows(self.dataset, [row for _, row in places])
        return [{**item, "draw": content_number(item["input_ids"], turn)} for item, (turn, _) in zip(items, places)]


def content_number(row: np.ndarray | Sequence[int], turn: int = 0) -> int:
    """A number below 2**63 of a row's tokens, the same on every machine (Python's `hash` is not).

    Args:
        row (`np.ndarray` or `Sequence[int]`): tokens. Shape: (sequence,).
        turn (`int`, *optional*, defaults to 0): another number for each time that the row comes.
    """
    tokens = np.asarray(row).astype("<i8").tobytes()
    digest = hashlib.blake2b(tokens, digest_size=8, salt=turn.to_bytes(8, "little")).digest()
    return int.from_bytes(digest, "little") >> 1
