"""What was measured, in a card: tables of means, and the `model-index` that the Hub reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from huggingface_hub import EvalResult

from hf_mplm.evaluation.summary import group_mean, groups_of, language_means, measurement_order, source_means
from hf_mplm.evaluation.tasks import task_type
from hf_mplm.languages import family_name
from hf_mplm.report.table import markdown_table

from .languages import main_measurements


__all__ = ["group_tables", "model_index", "results_table", "task_types_of"]

# Groups of languages with a column of their own.
_GROUPS = ("tail", "head", "Latn", "non-Latn", "all")


def task_types_of(rows: Iterable[Any], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the Hub calls the tasks of rows.

    Raises:
        ValueError: of a task of which nobody said.
    """
    return {task: (given or {}).get(task) or task_type(task) for task in {row.task for row in rows}}


def results_table(rows: Sequence[Any]) -> str:
    """Means over groups of languages, a measurement a line, and the source language's own score.

    Args:
        rows (`Sequence[ResultRow]`): of one model.
    """
    targets, sources, members = language_means(rows), source_means(rows), groups_of(rows)
    header = ["task", "setting", "source", "metric", *_GROUPS, "source itself", "languages"]
    lines: list[list[Any]] = []
    for key in sorted({*targets, *sources}, key=measurement_order):
        task, metric, _, source, _, _ = key
        values, own = targets.get(key, {}), sources.get(key, {})
        means = [group_mean(values, members.get(group, ())) for group in _GROUPS]
        lines.append(
            [task, _how(key), source or None, metric, *means, group_mean(own, list(own)), len(values)],
        )
    return markdown_table(header, lines, aligned=False)


def group_tables(rows: Sequence[Any]) -> dict[str, str]:
    """Each task's main metric by script and by family: heading to table, most languages first.

    Args:
        rows (`Sequence[ResultRow]`): of one model.

    Returns:
        `dict[str, str]`: empty where there is one script and one family.
    """
    means, main = language_means(rows), main_measurements(rows)
    columns = {task: means[key] for task, key in main.items()}
    codes = {
        code: row for row in rows for code in [row.language] if any(code in values for values in columns.values())
    }
    tables = {}
    for heading, group_of in (
        ("script", lambda row: row.script),
        ("family", lambda row: family_name(row.language)),
    ):
        groups: dict[str, list[str]] = {}
        for code, row in codes.items():
            groups.setdefault(group_of(row), []).append(code)
        if len(groups) < 2:
            continue
        lines = [
            [name, len(members), *(group_mean(values, members) for values in columns.values())]
            for name, members in sorted(groups.items(), key=lambda one: (-len(one[1]), one[0]))
        ]
        header = [heading, "languages", *(f"{task} {key[1]}" for task, key in main.items())]
        tables[heading] = markdown_table(header, lines, aligned=False)
    return tables


def model_index(rows: Sequence[Any], types: Mapping[str, str]) -> list[EvalResult]:
    """Results as the Hub's `model-index` has them: a mean over languages a measurement.

    Args:
        rows (`Sequence[ResultRow]`): of one model.
        types (`Mapping[str, str]`): see [`task_types_of`].
    """
    targets, sources = language_means(rows), source_means(rows)
    index = []
    for key in sorted({*targets, *sources}, key=measurement_order):
        task, metric, _, source, _, _ = key
        values = targets.get(key, {})
        own = sources.get(key, {})
        mean = group_mean(values, list(values)) if values else group_mean(own, list(own))
        count = f"{len(values)} language{'s' if len(values) > 1 else ''}"
        where = f"mean over {count}" if values else "the source language itself"
        index.append(
            EvalResult(
                task_type=types[task],
                dataset_type=task,
                dataset_name=f"{task}, {where}",
                # Results of one type and configuration are merged into one by huggingface_hub, whatever their names.
                dataset_config=f"{_how(key)}{f', from {source}' if source else ''}",
                metric_type=metric,
                metric_value=round(float(mean or 0.0), 6),
            )
        )
    return index


def _how(key: tuple[Any, ...]) -> str:
    _, _, setting, _, direction, layer = key
    return ", ".join(part for part in (setting, direction, f"layer {layer}" if layer >= 0 else "") if part)
