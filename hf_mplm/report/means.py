"""What one model reaches: a table of means over groups of languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hf_mplm._lists import as_list
from hf_mplm.evaluation.results import ResultRow
from hf_mplm.evaluation.summary import (
    describe,
    group_mean,
    groups_of,
    language_means,
    measurement_order,
    source_means,
)

from .table import markdown_table


__all__ = ["means_table"]


def means_table(
    rows: Sequence[ResultRow], groups: str | Sequence[str] = ("head", "tail", "Latn", "non-Latn", "all")
) -> str:
    """Write the means of one model over groups of languages as Markdown.

    Args:
        rows (`Sequence[ResultRow]`): Results.
        groups (`str` or `Sequence[str]`, *optional*): The groups, of those that occur.

    Returns:
        `str`: A table with one measurement a line, as fractions, and a column for the source language's own score.
    """
    members = groups_of(rows)
    columns = [name for name in as_list(groups) if name in members]
    targets, sources = language_means(rows), source_means(rows)
    lines: list[list[Any]] = []
    for key in sorted({*targets, *sources}, key=measurement_order):
        values, own = targets.get(key, {}), sources.get(key, {})
        means = [group_mean(values, members[name]) for name in columns]
        lines.append([describe(key), *means, group_mean(own, list(own)), len(values)])
    return markdown_table(["measurement (fraction)", *columns, "source", "languages"], lines)
