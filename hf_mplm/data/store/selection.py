"""Some languages of a store, without a copy of their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..batches.columns import language_labels


if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["select_languages"]


def select_languages(dataset: Dataset, codes: Sequence[str]) -> Dataset:
    """The rows of some languages, in their order, with labels of their own.

    Tokens stay where they are, memory-mapped: a store keeps a language's rows together, so that a selection is a few
    slices. Only the labels are new.

    Args:
        dataset (`datasets.Dataset`): rows with a `ClassLabel` column `language`.
        codes (`Sequence[str]`): languages, among the names of its labels.

    Returns:
        `datasets.Dataset`: the rows; label i is the i-th of `codes`.
    """
    from datasets import ClassLabel, Dataset, Features, concatenate_datasets

    labels = language_labels(dataset)
    names = list(dataset.features["language"].names)
    new_label = np.full(len(names), -1, dtype=np.int64)
    new_label[[names.index(code) for code in codes]] = np.arange(len(codes))
    relabelled = new_label[labels]
    kept = np.concatenate([[False], relabelled >= 0, [False]])
    edges = np.flatnonzero(kept[1:] != kept[:-1]).reshape(-1, 2)
    others = dataset.remove_columns("language")
    runs = [others.select(range(first, last)) for first, last in edges.tolist()]
    features = Features({"language": ClassLabel(names=list(codes))})
    column = Dataset.from_dict({"language": relabelled[relabelled >= 0]}, features=features)
    rows = concatenate_datasets(runs) if runs else others.select([])
    return concatenate_datasets([rows, column], axis=1).select_columns(dataset.column_names)
