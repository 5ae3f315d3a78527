"""The tables of a transfer study: tidy ones of all numbers, and those of the paper to be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_mplm.transfer.findings.best_donors import commonality
from hf_mplm.transfer.findings.interference import interference_table
from hf_mplm.transfer.findings.own import own_scores
from hf_mplm.transfer.findings.prediction import Prediction
from hf_mplm.transfer.findings.rows import count_steps
from hf_mplm.transfer.findings.seen import seen_means
from hf_mplm.transfer.findings.table import Scores
from hf_mplm.transfer.findings.transfer import (
    rankings,
    recipients,
    task_correlation,
    transfer_table,
    variance_types,
)

from .table import format_cell, latex_escape


__all__ = ["StudyTable", "latex", "study_tables", "tidy_tables"]

_RANKS = (
    "Mean transfer score with the ends of its 95 % interval; + is the share of scores above 0; best and worst count "
    "for how many of the others it is that. At zero is the mean absolute change where the base has 0."
)
_INTERFERENCE = (
    "x is the mean sign of a language's own change in its combinations (1: it always gains), y and z those of the "
    "languages with it, with 95 % intervals over combinations; missing ones lack a score."
)


@dataclass(frozen=True)
class StudyTable:
    """A table to be read: what it shows, how to read it, its header and cells."""

    title: str
    note: str
    header: list[str]
    rows: list[list[Any]]


def tidy_tables(
    scores: Scores, seen: Sequence[str] = (), prediction: Prediction | None = None, seed: int = 0
) -> dict[str, list[Any]]:
    """Compute everything, a list of rows of the same keys for each table; a table may be empty.

    Args:
        scores (`Scores`): what was measured.
        seen (`Sequence[str]`, *optional*): languages that the base was trained on.
        prediction (`Prediction`, *optional*): of `predict`.
        seed (`int`, *optional*, defaults to 0): of the intervals.
    """
    table = transfer_table(scores)
    ranks, helped = rankings(table, seed=seed), recipients(table)
    return {
        "transfer": list(table),
        "own_scores": list(own_scores(scores)),
        "transfer_ranking": list(ranks.transfer),
        "target_ranking": list(ranks.target),
        "variance_types": list(variance_types(ranks.transfer)),
        "recipients": list(helped.shares),
        "largest_recipients": list(helped.largest),
        "task_correlation": list(task_correlation(table)),
        "commonality": list(commonality(ranks.transfer)),
        "seen_means": list(seen_means(table, seen)) if seen else [],
        "interference": list(interference_table(scores, seed=seed)),
        "prediction_skill": list(prediction.skills) if prediction is not None else [],
        "predictions": list(prediction.pairs) if prediction is not None else [],
    }


def study_tables(tidy: Mapping[str, Sequence[Any]]) -> list[StudyTable]:
    """Choose and arrange what the paper's tables show; those without rows are left out.

    Args:
        tidy (`Mapping[str, Sequence]`): of [`tidy_tables`].
    """
    tables = [
        _wide(
            "Scores of languages themselves",
            "Each language on its own test set: the base, tuned on the language, and under language adapters.",
            tidy["own_scores"],
            ("task", "language"),
            "setting",
            "score",
        ),
        _positive(tidy["transfer_ranking"]),
        *_ranks("Transfer languages", tidy["transfer_ranking"]),
        *_ranks("Targets", tidy["target_ranking"]),
        _plain(
            "Types of variance",
            "Neutral: the best or worst donor of no target. + or -: the best, or the worst one, in two thirds or more "
            "of those cases; + and -: in between.",
            tidy["variance_types"],
            ("task", "step", "rank", "language", "n_max", "n_min", "ts", "variance", "type"),
        ),
        _recipients(tidy["recipients"]),
        _wide(
            "Largest recipients",
            "The target that gains the most from each transfer language, by task and steps.",
            [{**row, "setting": f"{row['task']} {row['step']}"} for row in tidy["largest_recipients"]],
            ("transfer_language",),
            "setting",
            "target",
        ),
        _plain(
            "Agreement of tasks",
            "Spearman's correlation of the mean transfer scores of n transfer languages, over the targets of both "
            "tasks, with its two-sided p.",
            tidy["task_correlation"],
            ("step", "first", "second", "rho", "p", "n", "n_targets"),
        ),
        _common(tidy["commonality"]),
        _plain(
            "Seen and unseen languages",
            "Mean transfer score and share of scores above 0, by whether the base was trained on the languages.",
            tidy["seen_means"],
            ("task", "step", "transfer_language_seen", "target_seen", "ts", "positive", "n"),
        ),
        _interference(tidy["interference"]),
        _plain(
            "What predictions are worth",
            "Spearman's correlation of predicted and measured scores of languages that were left out, a mean over "
            "folds.",
            tidy["prediction_skill"],
            ("task", "step", "held_out", "method", "spearman", "n_folds"),
        ),
    ]
    return [table for table in tables if table.rows]


def latex(table: StudyTable) -> str:
    r"""Write a table as LaTeX that needs `\usepackage{booktabs}`; its title is a comment."""
    columns = "l" + "r" * (len(table.header) - 1)
    lines = [
        f"% {' '.join(table.title.split())}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(latex_escape, table.header)) + r" \\",
        r"\midrule",
        *(" & ".join(latex_escape(format_cell(value)) for value in row) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _plain(title: str, note: str, rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> StudyTable:
    header = [name.replace("n_max", "best").replace("n_min", "worst").replace("_", " ") for name in names]
    return StudyTable(title, note, header, [[_said(row[name]) for name in names] for row in rows])


def _wide(
    title: str, note: str, rows: Sequence[Mapping[str, Any]], index: Sequence[str], column: str, value: str
) -> StudyTable:
    columns = list(dict.fromkeys(row[column] for row in rows))
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in index), {})[row[column]] = row[value]
    lines = [[*key, *(own.get(name) for name in columns)] for key, own in found.items()]
    return StudyTable(title, note, [*(name.replace("_", " ") for name in index), *columns], lines)


def _positive(ranks: Sequence[Mapping[str, Any]]) -> StudyTable:
    found: dict[str, dict[int, list[float]]] = {}
    for row in ranks:
        if row["positive"] is not None:
            found.setdefault(row["task"], {}).setdefault(row["step"], []).append(row["positive"])
    steps = sorted({step for own in found.values() for step in own})
    lines = [
        [task, *(float(np.mean(own[step])) if step in own else None for step in steps)] for task, own in found.items()
    ]
    note = "The share of targets with a transfer score above 0, a mean over transfer languages, by steps."
    return StudyTable("Targets that gain", note, ["task", *map(str, steps)], lines)


def _ranks(title: str, ranks: Sequence[Mapping[str, Any]]) -> list[StudyTable]:
    header = ["rank", "language", "ts", "from", "to", "verdict", "+", "variance", "n", "best", "worst", "zero base"]
    header += ["at zero", "no base"]
    names = ["rank", "language", "ts", "low", "high", "verdict", "positive", "variance", "n", "n_max", "n_min"]
    names += ["n_zero_base", "zero_base_change", "n_no_base"]
    found: dict[tuple[str, int], list[list[Any]]] = {}
    for row in ranks:
        found.setdefault((row["task"], row["step"]), []).append([row[name] for name in names])
    return [
        StudyTable(f"{title}: {task} after {count_steps(step)}", _RANKS, header, rows)
        for (task, step), rows in found.items()
    ]


def _recipients(shares: Sequence[Mapping[str, Any]]) -> StudyTable:
    found: dict[tuple[str, int], dict[str, list[str]]] = {}
    for row in shares:
        found.setdefault((row["task"], row["step"]), {}).setdefault(row["group"], []).append(row["target"])
    groups = ["always", "almost always", "never"]
    rows = [
        [task, step, *(", ".join(sorted(own.get(group, []))) or None for group in groups)]
        for (task, step), own in found.items()
    ]
    note = "Targets that gain from every transfer language, from nine tenths or more of them, and from none."
    return StudyTable("Universal recipients", note, ["task", "steps", *groups], rows)


def _common(rows: Sequence[Mapping[str, Any]]) -> StudyTable:
    """The best fifth, half and the whole tell enough; all others are in the tidy table and the picture."""
    lines = [
        [
            row["step"],
            ", ".join(row["tasks"]),
            row["top"],
            row["common"],
            row["by_chance"],
            " ".join(row["languages"]) or None,
        ]
        for row in rows
        if row["top"] < row["n"] and row["top"] in {-(-row["n"] // 5), -(-row["n"] // 2)}
    ]
    note = (
        "How many transfer languages are among the best of all of these tasks, by mean transfer score, and how many "
        "would be in orders that have nothing to do with one another."
    )
    return StudyTable("Common donors", note, ["step", "tasks", "best", "common", "by chance", "languages"], lines)


def _interference(rows: Sequence[Mapping[str, Any]]) -> StudyTable:
    header = ["task", "fusion", "languages", "language", "counts", "x", "y", "z", "combinations", "missing"]
    lines = [
        [
            *(row[name] for name in ("task", "fusion", "size", "language")),
            ", ".join(f"{signs}: {count}" for signs, count in row["counts"].items()),
            *(_with_interval(row, axis) for axis in "xyz"),
            row["n"],
            row["n_missing"],
        ]
        for row in rows
    ]
    return StudyTable("Interference", _INTERFERENCE, header, lines)


def _with_interval(row: Mapping[str, Any], axis: str) -> str | None:
    if row[axis] is None:
        return None
    value, low, high = (format_cell(row[name]) for name in (axis, f"{axis}_low", f"{axis}_high"))
    return f"{value} [{low}, {high}]"


def _said(value: Any) -> Any:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
