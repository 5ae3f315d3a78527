from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm._lists import as_list
from hf_mplm.evaluation.results import NOT_APPLICABLE
from hf_mplm.evaluation.summary import describe
from hf_mplm.languages import family_name

from . import plots
from .compare import Comparison, GroupScore
from .page import Page
from .table import format_cell, latex_escape, markdown_escape, markdown_table


__all__ = ["latex_table", "markdown_report", "overview", "too_few_to_tell", "write_comparison"]

logger = logging.getLogger(__name__)

PAPER_GROUPS = ("head", "tail", "Latn", "non-Latn", "all", "source")
SIGNIFICANT = 0.05
# Languages of one bar chart, beyond which it cannot be read.
LANGUAGES_PER_CHART = 40
OVERVIEW = (
    "Means over all languages but the source language, as fractions (a loss in nats); a star marks p below 0.05."
)
UNIT = "fraction"
# Languages that a note names.
SHOWN = 5
# Signs of n differences can fall in 2^n ways, of which the two extreme ones are as far out as it goes: p is at least
# 2 / 2^n, which is below 0.05 from six languages on.
ENOUGH_LANGUAGES = 6


def write_comparison(output: str | Path, comparisons: Sequence[Comparison], names: str | Sequence[str]) -> list[Path]:
    """Write a comparison as Markdown, LaTeX and a self-contained HTML page.

    Without matplotlib the page has its tables and no pictures, and a line of the log says so.

    Args:
        output (`str` or `Path`): The folder.
        comparisons (`Sequence[Comparison]`): What [`compare_runs`] found.
        names (`str` or `Sequence[str]`): What to call the runs.

    Returns:
        `list[Path]`: `comparison.md`, `comparison.tex` and `comparison.html`.
    """
    names = as_list(names, keep_spaces=True)
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    if why := plots.missing():
        logger.warning("comparison.html has the tables and no pictures: %s", why)
    files = {
        "comparison.md": markdown_report(comparisons, names),
        "comparison.tex": latex_table(comparisons, names),
        "comparison.html": html_report(comparisons, names),
    }
    for name, text in files.items():
        # A name from a foreign table may hold a lone surrogate, which no file can.
        (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
    return [folder / name for name in files]


def too_few_to_tell(comparisons: Sequence[Comparison]) -> str:
    """Name the measurements of so few languages that no difference between runs can be told from chance.

    Args:
        comparisons (`Sequence[Comparison]`): What [`compare_runs`] found.

    Returns:
        `str`: A sentence, or `""` if there is none, or one run alone.
    """
    few = [
        f"{label} ({_count(len(comparison.languages))})"
        for comparison, label in zip(comparisons, _short_labels(comparisons, ", "))
        if _too_few(comparison)
    ]
    if not few:
        return ""
    more = f" and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
    return (
        f"Too few languages to tell: {'; '.join(few[:SHOWN])}{more}. With fewer than {ENOUGH_LANGUAGES} languages p "
        f"cannot fall below {SIGNIFICANT}, whatever the difference."
    )


def markdown_report(comparisons: Sequence[Comparison], names: str | Sequence[str]) -> str:
    """Write the groups of the papers' tables, as fractions, one table a measurement.

    Args:
        comparisons (`Sequence[Comparison]`): What [`compare_runs`] found.
        names (`str` or `Sequence[str]`): What to call the runs.

    Returns:
        `str`: Markdown.
    """
    names = as_list(names, keep_spaces=True)
    header, lines = overview(comparisons, names)
    parts = [f"## Overview\n\n{OVERVIEW}\n\n{markdown_table(header, lines)}\n"]
    if few := too_few_to_tell(comparisons):
        parts.append(f"{markdown_escape(few)}\n")
    for comparison in comparisons:
        parts.append(f"## {markdown_escape(describe(comparison.key))}\n\n{_note(comparison)}\n")
        parts.append(markdown_table(_header(names), [_cells(score) for score in comparison.groups]) + "\n")
    return "\n".join(parts)


def overview(comparisons: Sequence[Comparison], names: str | Sequence[str]) -> tuple[list[str], list[list[Any]]]:
    """Put the means over all languages of every measurement into one table, as fractions.

    Args:
        comparisons (`Sequence[Comparison]`): What [`compare_runs`] found.
        names (`str` or `Sequence[str]`): What to call the runs.

    Returns:
        `tuple[list[str], list[list]]`: The names of the columns, and a line for each measurement.
    """
    names = as_list(names, keep_spaces=True)
    header = [f"measurement ({UNIT})", "languages", *names]
    for name in names[1:]:
        header += [f"{name} - {names[0]}", "p"]
    lines = []
    for comparison, label in zip(comparisons, _short_labels(comparisons, ", ")):
        scores = _by_group(comparison)
        # Where nothing but the source language was scored, its own score is all there is.
        score = scores.get("all") or comparison.groups[0]
        count = len(score.languages)
        cells: list[Any] = [label, count if "all" in scores else "source", *score.means]
        for (mean, _, _), p_value in zip(score.differences, score.p_values):
            star = "*" if count > 1 and p_value < SIGNIFICANT else ""
            cells += [f"{_signed(mean)}{star}", p_value if count > 1 else None]
        lines.append(cells)
    return header, lines


def latex_table(comparisons: Sequence[Comparison], names: str | Sequence[str]) -> str:
    r"""Write one table in the form of the papers: a run a line, a group a column, the best in bold, for `booktabs`.

    Args:
        comparisons (`Sequence[Comparison]`): What [`compare_runs`] found.
        names (`str` or `Sequence[str]`): What to call the runs.

    Returns:
        `str`: LaTeX that needs `\usepackage{booktabs}`.
    """
    names = as_list(names, keep_spaces=True)
    lines = [
        rf"\begin{{tabular}}{{ll{'r' * len(PAPER_GROUPS)}}}",
        r"\toprule",
        " & ".join([f"measurement ({UNIT})", "model", *PAPER_GROUPS]) + r" \\",
    ]
    for comparison in comparisons:
        lines.append(r"\midrule")
        scores = {score.group: score for score in comparison.groups}
        for number, name in enumerate(names):
            cells = [latex_escape(describe(comparison.key)) if number == 0 else "", latex_escape(name)]
            for group in PAPER_GROUPS:
                if group not in scores:
                    cells.append("-")
                    continue
                means = scores[group].means
                text = format_cell(means[number])
                cells.append(rf"\textbf{{{text}}}" if means[number] == max(means) and len(means) > 1 else text)
            lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def html_report(comparisons: Sequence[Comparison], names: str | Sequence[str]) -> str:
    """Write the page: tables with intervals, a heat map of differences, and bars by group and by language.

    Args:
        comparisons (`Sequence[Comparison]`): What [`compare_runs`] found.
        names (`str` or `Sequence[str]`): What to call the runs.

    Returns:
        `str`: HTML that needs no other file.
    """
    names = as_list(names, keep_spaces=True)
    page = Page(f"Comparison of {', '.join(names)}")
    drawn = not plots.missing()
    page.paragraph(
        "All numbers are fractions: means over languages, each language being the mean over its seeds. Intervals "
        "are 95% bootstrap intervals over languages. p is the p-value of a paired permutation test over languages "
        f"against the first model; the fewer the languages, the less it can tell. The first is {_quoted(names[0])}."
    )
    page.heading("Overview").paragraph(OVERVIEW).table(*overview(comparisons, names))
    few = too_few_to_tell(comparisons)
    if few and not drawn:
        page.paragraph(_quoted(few))
    for run, name in enumerate(names[1:] if drawn else (), start=1):
        page.heading(f"{name} against {names[0]}")
        groups = [group for group in PAPER_GROUPS if any(group in _by_group(item) for item in comparisons)]
        matrix = np.full((len(comparisons), len(groups)), np.nan)
        for row, comparison in enumerate(comparisons):
            scores = _by_group(comparison)
            for column, group in enumerate(groups):
                if group in scores:
                    matrix[row, column] = scores[group].differences[run - 1][0]
        labels = _short_labels(comparisons)
        picture = plots.heat_map(matrix, labels, groups, label="difference (fraction)", centre=0.0)
        page.figure(
            picture,
            f"{name} minus {names[0]}, as fractions, by measurement and group of languages. Blue is higher "
            "and red lower; of a neutrality probe's accuracy, lower is more neutral. Grey was not measured. "
            f"A group of fewer than {ENOUGH_LANGUAGES} languages says nothing of others. {few}".strip(),
        )
    for comparison in comparisons:
        page.heading(describe(comparison.key))
        page.paragraph(_note(comparison))
        page.table(_header(names), [_cells(score) for score in comparison.groups])
        if not drawn:
            continue
        by_group = {
            name: {score.group: score.means[run] for score in comparison.groups if score.group in PAPER_GROUPS}
            for run, name in enumerate(names)
        }
        page.figure(plots.bars(by_group, ylabel=UNIT), f"{describe(comparison.key)}: means by group.")
        for languages in _pieces(list(comparison.languages)):
            values = {
                name: {language: comparison.languages[language][run] for language in languages}
                for run, name in enumerate(names)
            }
            page.figure(plots.bars(values, ylabel=UNIT), f"{describe(comparison.key)}: each language.")
    return page.html()


def _short_labels(comparisons: Sequence[Comparison], separator: str = "\n") -> list[str]:
    """Name measurements by task, metric and layer, and by what else differs between them."""
    labels = []
    keys = [comparison.key for comparison in comparisons]
    # An empty field is one that does not apply, not another value.
    varying = [len({key[field] for key in keys} - {"", NOT_APPLICABLE}) > 1 for field in range(6)]
    for task, metric, setting, source, direction, layer in keys:
        details = [setting, f"from {source}" if source else "", direction]
        shown = [detail for detail, varies in zip(details, varying[2:]) if varies and detail]
        if layer != NOT_APPLICABLE:
            shown.append(f"layer {layer}")
        labels.append(separator.join([f"{task} {metric}", *([", ".join(shown)] if shown else [])]))
    return labels


def _by_group(comparison: Comparison) -> dict[str, GroupScore]:
    return {score.group: score for score in comparison.groups}


def _header(names: str | Sequence[str]) -> list[str]:
    header = [f"group ({UNIT})", "languages"]
    for name in names:
        header += [name, "95% interval"]
    for name in names[1:]:
        header += [f"{name} - {names[0]}", "95% interval", "p"]
    return header


def _cells(score: GroupScore) -> list[Any]:
    # Families are grouped by Glottolog's identifiers, which say little to a reader.
    name = score.group if score.group in (*PAPER_GROUPS, "unknown") else family_name(score.languages[0])
    cells: list[Any] = [name, len(score.languages)]
    if len(score.languages) == 1:
        # One language has neither an interval nor a test over languages.
        for mean in score.means:
            cells += [mean, None]
        for mean, _, _ in score.differences:
            cells += [_signed(mean), None, None]
        return cells
    for mean, (low, high) in zip(score.means, score.intervals):
        cells += [mean, f"{format_cell(low)} to {format_cell(high)}"]
    for (mean, low, high), p_value in zip(score.differences, score.p_values):
        star = "*" if p_value < SIGNIFICANT else ""
        cells += [f"{_signed(mean)}{star}", f"{_signed(low)} to {_signed(high)}", p_value]
    return cells


def _note(comparison: Comparison) -> str:
    seeds = ", ".join(map(str, comparison.n_seeds))
    note = f"{_count(len(comparison.languages))}; seeds a model: {seeds}."
    if comparison.n_dropped:
        note += f" Left out, because not every model has it: {_count(comparison.n_dropped)}."
    if _too_few(comparison):
        note += " Too few languages to tell."
    if comparison.coverage:
        shown = [f"{code} {' / '.join(map(str, n))}" for code, n in list(comparison.coverage.items())[:SHOWN]]
        more = f" and {len(comparison.coverage) - SHOWN} more" if len(comparison.coverage) > SHOWN else ""
        note += f" Scored on different items, so that the values are not of the same: {', '.join(shown)}{more}."
    return note


def _too_few(comparison: Comparison) -> bool:
    return bool(comparison.groups[0].differences) and len(comparison.languages) < ENOUGH_LANGUAGES


def _count(languages: int) -> str:
    return f"{languages} language" if languages == 1 else f"{languages} languages"


def _signed(difference: float) -> str:
    # Adding zero makes -0.0 a +0.0.
    return f"{round(difference, 3) + 0.0:+.3f}"


def _quoted(name: str) -> str:
    # Paragraphs set as code what stands between backticks.
    return name.replace("`", "'")


def _pieces(languages: list[str]) -> list[list[str]]:
    return [languages[start : start + LANGUAGES_PER_CHART] for start in range(0, len(languages), LANGUAGES_PER_CHART)]
