"""Labels that a benchmark keeps to itself, and items without one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .corpus import RefusedDataError
from .records import DataError, Record


__all__ = ["is_withheld", "labelled", "with_labels"]

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

# What stands where a label was taken out: nothing, CoNLL-U's and SNLI's marks, GLUE's and the Hub's number.
WITHHELD = ("", "_", "-", "?", "-1", "none", "null", "hidden")


def is_withheld(label: Any) -> bool:
    """Tell whether a label is the mark of one that was taken out.

    Args:
        label (`Any`): What stands in a file.

    Returns:
        `bool`: Whether it is no label.
    """
    return label is None or (isinstance(label, str | int) and str(label).strip().lower() in WITHHELD)


def labelled(records: Sequence[Record], column: str) -> list[Record]:
    """Leave out the items of a file whose labels are withheld.

    Args:
        records (`Sequence[Record]`): The items.
        column (`str`): The column that holds the label.

    Returns:
        `list[Record]`: Those with a label, at least one.

    Raises:
        DataError: If an item has no such column.
        RefusedDataError: If no item has a label.
    """
    for record in records:
        if column not in record.values:
            raise DataError(f"{record.place} has no column {column!r}; it has {', '.join(record.values)[:200]}")
    return with_labels(records, lambda record: is_withheld(record.values[column]), lambda record: record.place)


def with_labels(items: Sequence[Item], withheld: Callable[[Item], bool], place: Callable[[Item], str]) -> list[Item]:
    """Leave out the items whose labels are withheld: there is nothing to score them against, and they are no misses.

    Args:
        items (`Sequence`): The items of a split.
        withheld (`Callable`): Whether an item has no label.
        place (`Callable`): Where an item stands.

    Returns:
        `list`: Those with a label, at least one. How many were left out is logged.

    Raises:
        RefusedDataError: If no item has a label.
    """
    kept = [item for item in items if not withheld(item)]
    if items and not kept:
        raise RefusedDataError(
            f"the labels are withheld: {place(items[0])} and all others there have none, so that there is nothing to "
            "score against; take the benchmark's own file, not a copy whose answers were taken out"
        )
    if len(kept) < len(items):
        first = next(item for item in items if withheld(item))
        logger.warning(
            "%d of %d items have no label and are left out, such as %s",
            len(items) - len(kept),
            len(items),
            place(first),
        )
    return kept
