from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hf_mplm._lists import as_list

from .results import ResultRow


__all__ = [
    "GROUPINGS",
    "PIVOT",
    "Measurement",
    "describe",
    "group_mean",
    "groups_of",
    "language_means",
    "measurement",
    "measurement_order",
    "source_means",
]

# What a number is a measurement of, languages and seeds aside.
Measurement = tuple[str, str, str, str, str, int]

PIVOT = "pivot"
"""The setting, or how it begins, of results whose source language is the pivot of a cluster of languages."""

#: The papers' ways of grouping languages: (name of the group) of a row.
GROUPINGS: dict[str, Callable[[ResultRow], str]] = {
    "resource": lambda row: row.resource,
    "script": lambda row: row.script_group,
    "family": lambda row: row.family,
    "all": lambda row: "all",
}
GROUP_ORDER = {"head": 0, "tail": 1, "Latn": 2, "non-Latn": 3, "all": 5}


def measurement(row: ResultRow) -> Measurement:
    """Tell what a row measures: task, metric, setting, source language, direction and layer.

    Args:
        row (`ResultRow`): A result.

    Returns:
        `Measurement`: Rows with the same one differ in language, seed and model only.
    """
    # In-language results have as many sources as languages, and pivots are others in other clusters.
    is_one = row.setting == "in-language" or row.setting.partition("-")[0] == PIVOT
    source = "" if is_one else row.source_language
    return (row.task, row.metric, row.setting, source, row.direction, row.layer)


def language_means(rows: Iterable[ResultRow]) -> dict[Measurement, dict[str, float]]:
    """Average over seeds.

    Args:
        rows (`Iterable[ResultRow]`): Results of one model.

    Returns:
        `dict[Measurement, dict[str, float]]`: Measurement to language to mean. A language that is its own source is
        left out of zero-shot, few-shot and probe results, which it would flatter.
    """
    values: dict[Measurement, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.source_language == row.language and row.setting != "in-language":
            continue
        values[measurement(row)][row.language].append(row.value)
    return _seed_means(values)


def source_means(rows: Iterable[ResultRow]) -> dict[Measurement, dict[str, float]]:
    """Average over seeds what a source language reached on its own test set, without any transfer.

    Args:
        rows (`Iterable[ResultRow]`): Results of one model.

    Returns:
        `dict[Measurement, dict[str, float]]`: Measurement to the source language and its mean.
    """
    values: dict[Measurement, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.source_language == row.language and row.setting != "in-language":
            values[measurement(row)][row.language].append(row.value)
    return _seed_means(values)


def _seed_means(
    values: Mapping[Measurement, Mapping[str, Sequence[float]]],
) -> dict[Measurement, dict[str, float]]:
    return {
        key: {language: sum(seeds) / len(seeds) for language, seeds in sorted(values[key].items())}
        for key in sorted(values, key=measurement_order)
    }


def measurement_order(key: Measurement) -> tuple[Any, ...]:
    """Sort measurements by task and metric, accuracy@5 before accuracy@10.

    Args:
        key (`Measurement`): What [`measurement`] returns.

    Returns:
        `tuple`: To be given to `sorted` as `key`.
    """
    task, metric, *rest = key
    name, _, k = metric.partition("@")
    return (task, name, rest, int(k or 0))


def groups_of(rows: Iterable[ResultRow]) -> dict[str, list[str]]:
    """List the languages of each group, in the order of the papers' tables.

    Args:
        rows (`Iterable[ResultRow]`): Results.

    Returns:
        `dict[str, list[str]]`: `head`, `tail`, `Latn`, `non-Latn`, each family and `all`, as far as they occur.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for group in GROUPINGS.values():
            groups[group(row)].add(row.language)
    ordered = sorted(groups, key=lambda name: (GROUP_ORDER.get(name, 4), -len(groups[name]), name))
    return {name: sorted(groups[name]) for name in ordered}


def group_mean(values: dict[str, float], languages: str | Sequence[str]) -> float | None:
    """Average over the languages of a group that were measured, each counting once.

    Args:
        values (`dict[str, float]`): Language to value.
        languages (`str` or `Sequence[str]`): The languages of the group.

    Returns:
        `float`: The mean, or `None` if none of them was measured.
    """
    measured = [values[language] for language in as_list(languages) if language in values]
    return sum(measured) / len(measured) if measured else None


def describe(key: Measurement) -> str:
    """Name a measurement in one line.

    Args:
        key (`Measurement`): What [`measurement`] returns.

    Returns:
        `str`: For example `"flores accuracy@10 (plain, from eng_Latn, source->target, layer 8)"`.
    """
    task, metric, setting, source, direction, layer = key
    details = [setting, f"from {source}" if source else "", direction, f"layer {layer}" if layer >= 0 else ""]
    return f"{task} {metric} ({', '.join(detail for detail in details if detail)})"
