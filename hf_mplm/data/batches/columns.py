from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np


if TYPE_CHECKING:
    import datasets


__all__ = ["language_labels", "row_lengths"]


def language_labels(dataset: datasets.Dataset, column: str = "language") -> np.ndarray:
    """Read a `ClassLabel` column from Arrow, without a Python object a row.

    Args:
        dataset (`datasets.Dataset`): rows, such as a token store's.
        column (`str`, *optional*, defaults to `"language"`): the column.

    Returns:
        `np.ndarray`: language of each row, in the dataset's order. Shape: (rows,), int16 (int32 beyond 32,767
        languages).

    Raises:
        ValueError: when the dataset lacks the column, it is not a `ClassLabel`, or a row has no language.
    """
    feature = dataset.features.get(column)
    names = getattr(feature, "names", None)
    if names is None:
        raise ValueError(
            f"column {column!r} must be a ClassLabel of language codes, but is {feature} (columns: "
            f"{dataset.column_names}); dataset.class_encode_column({column!r}) makes it one"
        )
    labels = np.empty(len(dataset), dtype=np.int16 if len(names) < 2**15 else np.int32)
    return _read_column(dataset, column, labels)


def row_lengths(dataset: datasets.Dataset, column: str = "input_ids") -> np.ndarray:
    """Read the lengths of a list column from Arrow, for `group_by_length`.

    Args:
        dataset (`datasets.Dataset`): rows, such as a token store's.
        column (`str`, *optional*, defaults to `"input_ids"`): the column.

    Returns:
        `np.ndarray`: lengths. Shape: (rows,), int32.

    Raises:
        ValueError: when the dataset lacks the column, or a row has nothing in it.
    """
    if column not in dataset.column_names:
        raise ValueError(f"there is no column {column!r}; the dataset has {dataset.column_names}")
    return _read_column(dataset, column, np.empty(len(dataset), dtype=np.int32), lengths=True)


def _read_column(dataset: datasets.Dataset, column: str, out: np.ndarray, lengths: bool = False) -> np.ndarray:
    import pyarrow.compute

    arrow = dataset.select_columns([column]).with_format("arrow")
    filled = 0
    # In batches, so that a column of lists is never whole in memory where rows were selected or shuffled.
    for table in arrow.iter(batch_size=100_000):
        for chunk in table[column].chunks:
            values = pyarrow.compute.list_value_length(chunk) if lengths else chunk
            if values.null_count:
                missing = filled + int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
                raise ValueError(f"row {missing} has no {column!r}: drop such rows first, dataset.filter(...)")
            out[filled : filled + len(values)] = values.to_numpy(zero_copy_only=False)
            filled += len(values)
    return out
