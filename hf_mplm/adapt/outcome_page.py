"""The report of an adaptation: Markdown, of the start and the result side by side."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from hf_mplm.evaluation.results import ResultRow, read_results
from hf_mplm.report.before_after import Change, before_after
from hf_mplm.report.compare import bootstrap_interval, compare_runs
from hf_mplm.report.comparison import markdown_report
from hf_mplm.report.table import markdown_table

from .outcome import STANDINGS


__all__ = ["bits_picture", "outcome_lines", "outcome_page"]


_CALLED = {"new": "new", "replayed": "old, replayed", "watched": "old, watched"}


def outcome_page(found: Mapping[str, Any], outcome: Mapping[str, Any], scores: Path, *, curve: bool = False) -> str:
    """The report as a page, which shows `bits.svg` beside it.

    Args:
        found (`Mapping`): the diagnosis.
        outcome (`Mapping`): what [`~hf_mplm.adapt.outcome.measure_outcome`] returns.
        scores (`Path`): folder of the results of benchmarks.
        curve (`bool`, *optional*, defaults to `False`): whether `curve.svg` is beside it too.
    """
    parts = ["# Before and after", "\n".join(f"- {line}" for line in outcome_lines(outcome))]
    rows: list[list[Any]] = [
        [
            code,
            _CALLED[about["standing"]],
            about["rows"],
            None if about["before"] is None else f"{about['before']:.3f}",
            f"{about['after']:.3f}",
            _change(about["change"]),
            f"{found['languages'][code]['unknown']:.2%}" if code in found["languages"] else None,
        ]
        for code, about in _in_order(outcome)
    ]
    header = ["language", "is", "rows", "before", "after", "change (95 %)", "unknown to the start"]
    parts += ["## Bits a character of held-out text", markdown_table(header, rows)]
    parts.append("![Bits a character of each language, before and after](bits.svg)")
    parts.append(
        "The mean loss of a masked token times tokens a character: it compares between vocabularies, and less is "
        "better. Unknown characters cost the start almost nothing, so that a language of many is flattered there. "
        "Intervals are over rows of held-out text; those of means are over languages. Watched are known languages "
        "that nothing was trained on, by sentences of the sample that ships with the package."
    )
    if curve:
        parts += ["## The loss as it fell", "![Training and held-out loss by step](curve.svg)"]
    tables = [scores / side / "results.parquet" for side in ("before", "after")]
    if all(path.is_file() for path in tables):
        runs = [read_results(path) for path in tables]
        parts += ["## Benchmarks", _benchmark_table(outcome, *runs)]
        parts.append(
            "Means over languages, from the start to the result, with 95 % intervals of the change over languages."
        )
        # Its headings go one level down, under this page's.
        compared = markdown_report(compare_runs(runs), ["before", "after"])
        parts.append(re.sub(r"^#", "##", compared, flags=re.MULTILINE))
    if outcome["left_out"]:
        parts += ["## Not measured", "\n".join(f"- {line}" for line in outcome["left_out"])]
    for code, examples in outcome["examples"].items():
        shown = [
            [one["text"], one["word"], ", ".join(one.get("before", [])) or None, ", ".join(one.get("after", []))]
            for one in examples
        ]
        parts += [f"## Masked words of {code}", markdown_table(["text", "masked", "before", "after"], shown)]
    return "\n\n".join(parts) + "\n"


def bits_picture(outcome: Mapping[str, Any]) -> str:
    """Bits a character of each language, before and after, as SVG.

    Args:
        outcome (`Mapping`): what [`~hf_mplm.adapt.outcome.measure_outcome`] returns.
    """
    changes = [
        Change(f"{code} ({_CALLED[about['standing']]})", about["before"], about["after"])
        for code, about in _in_order(outcome)
    ]
    return before_after(changes, "bits a character of held-out text")


def outcome_lines(outcome: Mapping[str, Any]) -> list[str]:
    """What came out, in a few lines.

    Args:
        outcome (`Mapping`): what [`~hf_mplm.adapt.outcome.measure_outcome`] returns.
    """
    of = Counter(about["standing"] for about in outcome["held_out"].values())
    told = {
        standing: f"{_change(change)} bits a character, mean of {of[standing]}"
        for standing, change in outcome["changes"].items()
        if change is not None
    }
    lines = [f"{_CALLED[standing]} languages: {line}" for standing, line in told.items()]
    return [
        *(lines or ["the start has no LM head, so that there is nothing to compare bits a character with"]),
        outcome["keeping"],
    ]


def _benchmark_table(outcome: Mapping[str, Any], before: Iterable[ResultRow], after: Iterable[ResultRow]) -> str:
    """A line a measurement, with the mean of new, replayed and watched languages; sources are left out."""
    values: dict[tuple[str, str, str], dict[str, dict[str, float]]] = {}
    for side, rows in (("before", before), ("after", after)):
        for row in rows:
            if row.language != row.source_language and row.language in outcome["held_out"]:
                of = values.setdefault((row.task, row.metric, row.setting), {})
                of.setdefault(row.language, {})[side] = row.value
    lines: list[list[str | None]] = []
    for (task, metric, setting), by_language in values.items():
        groups: dict[str, list[tuple[float, float]]] = {standing: [] for standing in STANDINGS}
        for code, found in by_language.items():
            if found.keys() == {"before", "after"}:
                groups[outcome["held_out"][code]["standing"]].append((found["before"], found["after"]))
        lines.append([f"{task} {metric} ({setting})", *(_means(pairs) for pairs in groups.values())])
    return markdown_table(["measurement (fraction)", *(_CALLED[standing] for standing in STANDINGS)], lines)


def _means(pairs: Sequence[tuple[float, float]]) -> str | None:
    if not pairs:
        return None
    before, after = (fmean(values) for values in zip(*pairs))
    told = f"{before:.3f} to {after:.3f}"
    if len(pairs) > 1:
        low, high = bootstrap_interval([new - old for old, new in pairs])
        told += f", {after - before:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"{told}, n = {len(pairs)}"


def _in_order(outcome: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """New languages first, then replayed ones, then those that are watched."""
    return sorted(outcome["held_out"].items(), key=lambda entry: (STANDINGS.index(entry[1]["standing"]), entry[0]))


def _change(change: Any) -> str | None:
    return None if change is None else f"{change[0]:+.3f} [{change[1]:+.3f}, {change[2]:+.3f}]"
