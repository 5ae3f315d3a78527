"""A diagnosis for people: Markdown, and the plan in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_mplm.report.table import markdown_table


__all__ = ["diagnosis_page", "plan_lines"]


def diagnosis_page(found: Mapping[str, Any]) -> str:
    """The diagnosis as a page.

    Args:
        found (`Mapping`): what [`~hf_mplm.adapt.diagnosis.diagnose`] returns.
    """
    encoder, languages = found["encoder"], found["languages"]
    parts = ["# Diagnosis", _encoder_line(encoder)]
    if found["warnings"]:
        parts += ["## To look at first", "\n".join(f"- {line}" for line in found["warnings"])]
    header = ["language", "sentences", "words", "repeated", "tokens a word", "a character", "unknown characters"]
    rows: list[list[str | None]] = [
        [
            f"{code} ({about['name']})",
            f"{about['sentences']:,}",
            f"{about['words']:,}",
            f"{about['repeated']:.1%}",
            f"{about['tokens_per_word']:.2f}",
            f"{about['tokens_per_character']:.2f}",
            f"{about['unknown']:.2%}",
        ]
        for code, about in languages.items()
    ]
    rows += [
        [
            code,
            None,
            None,
            None,
            f"{about['tokens_per_word']:.2f}",
            f"{about['tokens_per_character']:.2f}",
            f"{about['unknown']:.2%}",
        ]
        for code, about in sorted(found["known"].items(), key=lambda entry: entry[1]["tokens_per_character"])
    ]
    parts += ["## Text", markdown_table(header, rows)]
    parts.append("Languages below the new ones are known ones, in the sample that comes with the package.")
    near = [
        [code, _near(about["by_lineage"]), _near(about["by_vectors"]), _looks(about["looks_like"])]
        for code, about in languages.items()
    ]
    parts += ["## Neighbours", markdown_table(["language", "by descent", "by vectors", "by letters"], near)]
    parts.append(
        "By descent: the share of Glottolog's groups in common. By vectors: cosines of the encoder's mean vectors at "
        "a third of its depth. By letters: the share of sentences that its trigrams take for that language."
    )
    if found["overlap"] is not None:
        shown = [
            [row["task"], row["language"], row["n"], f"{row['exact']:.2%}", f"{row['half']:.2%}"]
            for row in found["overlap"]
        ]
        parts.append("## Test sentences in the text")
        parts.append(
            markdown_table(["task", "language", "sentences", "whole", "half"], shown) if shown else "None were found."
        )
    parts += ["## What can be hoped for", "\n".join(f"- {code}: {one['hope']}" for code, one in languages.items())]
    parts += ["## Advice", "\n".join(f"- {line}" for line in found["advice"]["reasons"])]
    return "\n\n".join(parts) + "\n"


def plan_lines(found: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    """What will be done, for the terminal.

    Args:
        found (`Mapping`): the diagnosis.
        plan (`Mapping`): what [`~hf_mplm.adapt.job.AdaptJob.plan`] returns.
    """
    languages = ", ".join(f"{code} ({about['sentences']:,})" for code, about in found["languages"].items())
    aligned = []
    if plan["align_steps"]:
        aligned = [f"   then {plan['align_steps']:,} steps that align scripts, about {plan['align_hours']:.2g} hours"]
    beside = f", and {', '.join(plan['benchmarks'])}, whose time is not known" if plan["benchmarks"] else ""
    return [
        f"1. diagnosis: {languages} sentences",
        *(f"   {line}" for line in found["advice"]["reasons"]),
        f"2. vocabulary: {plan['new_pieces']:,} new subwords" if plan["new_pieces"] else "2. vocabulary: as it is",
        f"3. training: {plan['max_steps']:,} steps at most, {plan['passes']:.2g} passes over the new text, about "
        f"{plan['hours']:.2g} hours on this machine",
        f"   {plan['keeping']}",
        *aligned,
        f"4. report: the start and the result side by side, about {plan['report_hours']:.2g} hours{beside}",
        f"disk {plan['disk']:.2g} GB while it runs; memory {plan['memory']:.2g} GB, activations aside",
    ]


def _encoder_line(encoder: Mapping[str, Any]) -> str:
    tied = "" if encoder["tied"] else ", decoder apart"
    return (
        f"The encoder is a {encoder['model_type']} of {encoder['parameters'] / 1e6:.1f} million parameters with a "
        f"{encoder['tokenizer_kind']} tokenizer of {encoder['entries']:,} entries{tied}."
    )


def _near(pairs: Any) -> str:
    return ", ".join(f"{code} {value:.2f}" for code, value in pairs) or "none known"


def _looks(found: Any) -> str:
    return "nothing to compare" if found is None else f"{found[0]} {found[1]:.0%}"
