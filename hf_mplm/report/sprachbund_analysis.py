"""An analysis of language vectors and clusters as Markdown and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hf_mplm.sprachbund.linguistics.findings import Analysis, Finding

from .page import Page
from .table import format_cell, markdown_escape, markdown_table


__all__ = ["analysis_markdown", "analysis_page"]

# Codes of languages without data that a table names; the Parquet table names all.
_NAMED = 12

_NOTES = {
    "nearest neighbour": "The share of languages whose most similar language has the same label. Chance is the share "
    "to be expected were the neighbour drawn from those that may be it. Another script and another language show what "
    "is left when letters, or texts of one language in two scripts, cannot do it alone. In brackets are Wilson's 95 % "
    "intervals over languages.",
    "word order": "The share of languages whose word order, as URIEL knows it, is that of the most similar one of "
    "another language; and of another family. The majority is the share of the most frequent order.",
    "mantel": "Spearman's correlation of similarities over pairs of languages, with p by permutations of the "
    "languages; partial ones take off that two languages share a script, and how similar their character n-grams are.",
    "clusters": "Adjusted Rand index (0 by chance, 1 for the same division) and purity (the share of languages that "
    "have the most frequent label of their cluster), with p by permutations of the labels.",
    "lexical similarity": "Pearson's correlation of cosines with the lexical similarity of Ethnologue (Table 8 of Fan "
    "et al., 2021), with a 95 % bootstrap interval over the pairs. The paper's own vectors give 0.835.",
}


@dataclass(frozen=True)
class _Table:
    title: str
    note: str
    header: list[str]
    rows: list[list[Any]]


def analysis_markdown(analysis: Analysis, title: str) -> str:
    """Write an analysis as Markdown.

    Args:
        analysis (`Analysis`): what [`analyse`] found.
        title (`str`): what was analysed.
    """
    parts = [f"# {markdown_escape(title)}\n", f"{markdown_escape(_settings(analysis))}\n"]
    parts += [f"{markdown_escape(line)}\n" for line in _left_out(analysis)]
    said = ""
    for table in _tables(analysis):
        parts.append(f"## {markdown_escape(table.title)}\n")
        if table.note != said:
            parts.append(f"{table.note}\n")
            said = table.note
        parts.append(markdown_table(table.header, table.rows) + "\n")
    return "\n".join(parts)


def analysis_page(analysis: Analysis, title: str, figures: Mapping[str, bytes] | None = None) -> Page:
    """Make a page of an analysis.

    Args:
        analysis (`Analysis`): what [`analyse`] found.
        title (`str`): what was analysed.
        figures (`Mapping[str, bytes]`, *optional*): captions, and pictures as SVG.
    """
    page = Page(title).paragraph(_settings(analysis))
    for line in _left_out(analysis):
        page.paragraph(line)
    said = ""
    for table in _tables(analysis):
        page.heading(table.title)
        if table.note != said:
            page.paragraph(table.note)
            said = table.note
        page.table(table.header, table.rows)
    if figures:
        page.heading("Maps")
    for caption, picture in (figures or {}).items():
        page.figure(picture, caption)
    return page


def _settings(analysis: Analysis) -> str:
    settings = analysis.settings
    return (
        f"Lineages are cut at depth {settings.get('depth')} into branches; there are {settings.get('permutations')} "
        f"permutations of languages, seed {settings.get('seed')}. The Parquet table beside this has every number, "
        "with the languages that it rests on."
    )


def _left_out(analysis: Analysis) -> list[str]:
    return [f"The view {view} is left out: {why}." for view, why in analysis.left_out.items()]


def _tables(analysis: Analysis) -> list[_Table]:
    tables = []
    by_measure: dict[str, list[Finding]] = {}
    for finding in analysis.findings:
        by_measure.setdefault(finding.measure, []).append(finding)
    for of, own in _grouped(by_measure.get("nearest neighbour", []), "of").items():
        tables.append(_neighbours(of, own))
    mantel = by_measure.get("mantel", [])
    for statistic, own in _grouped(mantel, "statistic").items():
        tables.append(_correlations(statistic, own))
    if clusters := by_measure.get("clusters"):
        tables.append(_clusters(clusters))
    if lexical := by_measure.get("lexical similarity"):
        rows = [[_name(one), one.value, one.low, one.high, one.among, one.n_languages] for one in lexical]
        header = ["view", "Pearson", "from", "to", "pairs", "languages"]
        tables.append(_Table("Lexical similarity", _NOTES["lexical similarity"], header, rows))
    if lacking := _lacking(analysis.findings):
        tables.append(lacking)
    return tables


def _neighbours(of: str, findings: Sequence[Finding]) -> _Table:
    among = list(_grouped(findings, "among"))
    views = _grouped(findings, "view", "centred")
    rows: list[list[Any]] = []
    for own in views.values():
        found = {finding.among: finding for finding in own}
        rows.append([_name(own[0]), *(_with_interval(found.get(one)) for one in among)])
    # What may be the nearest of which does not depend on the view.
    first = {finding.among: finding for finding in findings}
    order = "all" not in among
    rows.append(["majority" if order else "chance", *(first[one].baseline for one in among)])
    rows.append(["languages", *(first[one].n_languages for one in among)])
    note = _NOTES["word order" if order else "nearest neighbour"]
    return _Table(f"Nearest neighbour: {of}", note, ["view", *among], rows)


def _correlations(statistic: str, findings: Sequence[Finding]) -> _Table:
    subjects = list(_grouped(findings, "of"))
    rows: list[list[Any]] = []
    for own in _grouped(findings, "view", "centred").values():
        found = {finding.of: finding for finding in own}
        rows.append([_name(own[0]), *(_with_p(found.get(of)) for of in subjects)])
    first = {finding.of: finding for finding in findings}
    rows.append(["languages", *(first[of].n_languages for of in subjects)])
    title = "Correlations of similarities" if statistic == "spearman" else "Partial correlations of similarities"
    return _Table(title, _NOTES["mantel"], ["view", *subjects], rows)


def _clusters(findings: Sequence[Finding]) -> _Table:
    rows = []
    for own in _grouped(findings, "view", "of").values():
        found = {finding.statistic: finding for finding in own}
        ari, purity = found["ari"], found["purity"]
        rows.append([ari.view, ari.of, ari.value, ari.p, purity.value, purity.baseline, purity.p, ari.n_languages])
    header = ["clusters", "against", "ARI", "p", "purity", "by chance", "p", "languages"]
    return _Table("Clusters", _NOTES["clusters"], header, rows)


def _lacking(findings: Sequence[Finding]) -> _Table | None:
    rows: dict[tuple[str, str, str], list[Any]] = {}
    for one in findings:
        # For words it is simpler to name the eight languages that there are.
        if one.n_lacking and one.measure != "lexical similarity":
            codes = one.lacking.split()
            shown = " ".join(codes[:_NAMED]) + (f" and {len(codes) - _NAMED} more" if len(codes) > _NAMED else "")
            among = "" if one.measure in ("mantel", "clusters") else one.among
            rows.setdefault((one.measure, one.of, among), [one.measure, one.of, among, one.n_lacking, shown])
    note = "Languages of which the data lack, or that have nothing to be compared with, are left out of these numbers."
    header = ["measure", "of", "among", "left out", "languages"]
    return _Table("Languages without data", note, header, list(rows.values())) if rows else None


def _grouped(findings: Sequence[Finding], *names: str) -> dict[Any, list[Finding]]:
    groups: dict[Any, list[Finding]] = {}
    for finding in findings:
        key = tuple(getattr(finding, name) for name in names)
        groups.setdefault(key[0] if len(key) == 1 else key, []).append(finding)
    return groups


def _name(finding: Finding) -> str:
    return f"{finding.view}, {'centred' if finding.centred else 'raw'}"


def _with_interval(finding: Finding | None) -> str | None:
    if finding is None or finding.value is None:
        return None
    return f"{format_cell(finding.value)} ({format_cell(finding.low)} to {format_cell(finding.high)})"


def _with_p(finding: Finding | None) -> str | None:
    if finding is None or finding.value is None:
        return None
    return f"{format_cell(finding.value)} (p {format_cell(finding.p)})"
