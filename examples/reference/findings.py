"""What a study finds: paired differences by language and seed, their intervals, and a verdict by one rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from scipy.stats import t

from hf_mplm.evaluation import ResultRow, read_results
from hf_mplm.report import bootstrap_interval, markdown_table


FEWEST_LANGUAGES, FEWEST_SEEDS = 5, 3
RULE = (
    "A difference is above 0 where the claim says. It **holds** if its 95 % interval over languages (bootstrap of the "
    "means over seeds) and that over seeds (Student's t of the means over languages) both lie above 0. It **does "
    "not** if both lie below 0. Otherwise, or with fewer than "
    f"{FEWEST_LANGUAGES} languages or {FEWEST_SEEDS} seeds, it **cannot be told here**."
)
# Scores are shown in points of a hundred, changes relative to a score in percent of it.
UNITS = {"points": 100.0, "%": 100.0, "nats": 1.0, "cosine": 1.0}


@dataclass(frozen=True)
class Finding:
    """One measure of one claim.

    Args:
        method (`str`): Name of the method.
        claim (`str`): What its paper says, as a difference.
        measure (`str`): What is compared here.
        differences (`Mapping[str, Sequence[float]]`): Language to a difference a seed, above 0 where the claim says.
        unit (`str`, *optional*, defaults to `"points"`): A key of `UNITS`.
    """

    method: str
    claim: str
    measure: str
    differences: Mapping[str, Sequence[float]]
    unit: str = "points"


@dataclass(frozen=True)
class Judgement:
    """What a finding says; an interval is `None` where there is only one number."""

    mean: float
    over_languages: tuple[float, float] | None
    over_seeds: tuple[float, float] | None
    verdict: str


def judge(finding: Finding) -> Judgement:
    """Intervals and verdict; see `RULE`.

    Raises:
        ValueError: If there is no language, or the languages have different numbers of seeds.
    """
    rows = list(finding.differences.values())
    if not rows or len({len(row) for row in rows}) > 1 or not rows[0]:
        raise ValueError(f"{finding.measure}: needed is a difference a seed of each language, as many of all")
    table = np.array(rows, dtype=float)
    languages, seeds = table.shape
    over_languages = bootstrap_interval(table.mean(axis=1)) if languages > 1 else None
    over_seeds = None
    if seeds > 1:
        means = table.mean(axis=0)
        half = t.ppf(0.975, seeds - 1) * means.std(ddof=1) / seeds**0.5
        over_seeds = (float(means.mean() - half), float(means.mean() + half))
    verdict = "cannot be told here"
    if over_languages and over_seeds and languages >= FEWEST_LANGUAGES and seeds >= FEWEST_SEEDS:
        if min(over_languages[0], over_seeds[0]) > 0:
            verdict = "holds"
        elif max(over_languages[1], over_seeds[1]) < 0:
            verdict = "does not"
    return Judgement(float(table.mean()), over_languages, over_seeds, verdict)


def write_table(findings: Sequence[Finding], path: Path) -> str:
    """The one table, in Markdown, written to `path`."""
    header = ["method", "claim", "measured", "languages", "seeds", "difference", "95 % over languages"]
    header += ["95 % over seeds", "verdict"]
    rows = []
    for finding in findings:
        found, scale = judge(finding), UNITS[finding.unit]
        digits = 1 if scale == 100 else 4
        shown = [
            None if ends is None else " to ".join(f"{scale * end:+.{digits}f}" for end in ends)
            for ends in (found.over_languages, found.over_seeds)
        ]
        seeds = len(next(iter(finding.differences.values())))
        difference = f"{scale * found.mean:+.{digits}f} {finding.unit}"
        cells = [finding.method, finding.claim, finding.measure, len(finding.differences), seeds, difference]
        rows.append([*cells, *shown, found.verdict])
    text = f"{RULE}\n\n{markdown_table(header, rows)}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return text


def scores(
    folder: Path, task: str, metric: str, setting: str = "", only: Callable[[ResultRow], bool] = lambda row: True
) -> dict[str, float]:
    """Language to the mean over source languages and seeds of a run's results; sources themselves are left out."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in read_results(folder):
        wanted = row.task == task and row.metric == metric and (not setting or row.setting == setting)
        if wanted and row.language != row.source_language and only(row):
            values[row.language].append(row.value)
    return {language: mean(found) for language, found in values.items()}


def paired(
    better: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]], sign: float = 1.0
) -> dict[str, list[float]]:
    """Differences of the languages that all have, a list over seeds each.

    Args:
        better (`Sequence[Mapping[str, float]]`): For each seed, language to score.
        other (`Sequence[Mapping[str, float]]`): The same of what it is compared with; one for all seeds if there is
            only one.
        sign (`float`, *optional*, defaults to 1): -1 where less is better.
    """
    if not better or not other:
        return {}
    if len(other) == 1:
        other = list(other) * len(better)
    common = set.intersection(*(set(values) for values in [*better, *other]))
    return {
        language: [sign * (one[language] - two[language]) for one, two in zip(better, other)]
        for language in sorted(common)
    }


def with_numbers(findings: Sequence[Finding]) -> list[Finding]:
    """Those of which something was measured."""
    return [finding for finding in findings if finding.differences]
