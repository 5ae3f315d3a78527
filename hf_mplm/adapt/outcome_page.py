"""The report of an adaptation: Markdown, of the start and the result side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_mplm.evaluation.results import read_results
from hf_mplm.report.before_after import Change, before_after
from hf_mplm.report.compare import compare_runs
from hf_mplm.report.comparison import markdown_report
from hf_mplm.report.table import markdown_table


__all__ = ["bits_picture", "outcome_lines", "outcome_page"]


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
            _standing(about),
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
        parts += ["## Benchmarks", markdown_report(compare_runs(runs), ["before", "after"])]
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
        Change(f"{code} ({_standing(about)})", about["before"], about["after"]) for code, about in _in_order(outcome)
    ]
    return before_after(changes, "bits a character of held-out text")


def outcome_lines(outcome: Mapping[str, Any]) -> list[str]:
    """What came out, in a few lines.

    Args:
        outcome (`Mapping`): what [`~hf_mplm.adapt.outcome.measure_outcome`] returns.
    """
    lines = []
    for group, what in (("new_languages", "new languages"), ("old_languages", "old languages")):
        if outcome[group] is not None:
            lines.append(f"{what}: {_change(outcome[group])} bits a character")
        elif group == "old_languages":
            lines.append("old languages: the start has no LM head, or the sample has no known language to compare by")
        else:
            lines.append("new languages: the start has no LM head to compare with")
    return lines


def _in_order(outcome: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """New languages first, then replayed ones, then those that are watched."""
    return sorted(outcome["held_out"].items(), key=lambda entry: (entry[1]["old"], not entry[1]["trained"], entry[0]))


def _standing(about: Mapping[str, Any]) -> str:
    if not about["old"]:
        return "new"
    return "old, replayed" if about["trained"] else "old, watched"


def _change(change: Any) -> str | None:
    return None if change is None else f"{change[0]:+.3f} [{change[1]:+.3f}, {change[2]:+.3f}]"
