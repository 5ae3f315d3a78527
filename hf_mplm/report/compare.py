from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

import numpy as np
from scipy.stats import bootstrap

from hf_mplm.evaluation.results import ResultRow
from hf_mplm.evaluation.summary import Measurement, group_mean, groups_of, language_means, measurement, source_means


__all__ = ["Comparison", "GroupScore", "bootstrap_interval", "compare_runs", "paired_p_value", "split_by_model"]

BOOTSTRAP_SAMPLES = 10_000
# Values of one draw of samples: 8 MB of float64.
BOOTSTRAP_VALUES = 1_000_000
SIGN_FLIPS = 10_000
# Up to this number of pairs every assignment of signs is tried, which makes the test exact.
EXACT_PAIRS = 13
CONFIDENCE = 0.95
# The group of the source language itself, whose own test set asks for no transfer.
SOURCE = "source"


@dataclass(frozen=True)
class GroupScore:
    """What the runs reach on one group of languages.

    Args:
        group (`str`): Name of the group.
        languages (`tuple[str, ...]`): Languages that every run has measured; only those enter the means.
        means (`tuple[float, ...]`): Mean of each run over languages, each being the mean over its seeds.
        intervals (`tuple[tuple[float, float], ...]`): 95% bootstrap interval of each mean, languages being resampled.
        differences (`tuple[tuple[float, float, float], ...]`): For each run but the first, its mean difference to the
            first with the ends of its 95% interval.
        p_values (`tuple[float, ...]`): For each run but the first, the p-value of a paired permutation test.
    """

    group: str
    languages: tuple[str, ...]
    means: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    differences: tuple[tuple[float, float, float], ...]
    p_values: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """One measurement over all runs.

    Args:
        key (`Measurement`): What is measured.
        groups (`tuple[GroupScore, ...]`): The groups, in the order of the papers' tables.
        languages (`Mapping[str, tuple[float, ...]]`): Language to one value a run.
        n_dropped (`int`): Languages that some runs have and others lack, and that are therefore left out.
        n_seeds (`tuple[int, ...]`): Most seeds of a language in each run.
        coverage (`Mapping[str, tuple[int, ...]]`): Languages of which the runs scored different numbers of items, as
            where vocabularies differ, to the number of each run.
    """

    key: Measurement
    groups: tuple[GroupScore, ...]
    languages: Mapping[str, tuple[float, ...]]
    n_dropped: int
    n_seeds: tuple[int, ...]
    coverage: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def compare_runs(runs: Sequence[Sequence[ResultRow]], *, seed: int = 0) -> list[Comparison]:
    """Compare runs language by language.

    Seeds are averaged first, so that a language counts once however often it was run. Only languages that every run
    has measured are compared. Intervals resample languages, which answers how the mean would differ over other
    languages of the kind.

    Args:
        runs (`Sequence[Sequence[ResultRow]]`): The rows of each run, one model a run.
        seed (`int`, *optional*, defaults to 0): Seed of the resampling.

    Returns:
        `list[Comparison]`: One entry for each measurement that all runs have.

    Raises:
        ValueError: If there is no run, a run holds several models, or the runs have nothing in common.
    """
    if not runs:
        raise ValueError("there is no run to compare")
    for rows in runs:
        models = sorted({f"{row.model} ({row.revision})" for row in rows})
        if len(models) > 1:
            raise ValueError(f"a run must hold one model, but one holds {', '.join(models)}; split it first")
    means = [language_means(rows) for rows in runs]
    own = [source_means(rows) for rows in runs]
    shared = [key for key in means[0] if all(key in other for other in means[1:])]
    alone = [key for key in own[0] if key not in shared and all(key in other for other in own[1:])]
    if not shared and not alone:
        raise ValueError("the runs have no measurement in common: same task, metric, setting, source and layer")
    members = groups_of([row for rows in runs for row in rows])
    seeds = [_seed_counts(rows) for rows in runs]
    items = [_item_counts(rows) for rows in runs]
    comparisons = []
    for key in shared:
        measured = [run[key] for run in means]
        common = sorted(set.intersection(*(set(values) for values in measured)))
        if not common:
            continue
        sources = sorted(set.intersection(*(set(run.get(key, {})) for run in own)))
        everything = set.union(*(set(values) for values in measured))
        groups = tuple(
            _group_score(name, [language for language in languages if language in common], measured, seed)
            for name, languages in members.items()
            if any(language in common for language in languages)
        )
        if sources:
            groups += (_group_score(SOURCE, sources, [run[key] for run in own], seed),)
        comparisons.append(
            Comparison(
                key,
                groups,
                {language: tuple(values[language] for values in measured) for language in common},
                len(everything) - len(common),
                tuple(counts[key] for counts in seeds),
                _unequal(items, key, [*common, *sources]),
            )
        )
    for key in alone:
        # Nothing but the source language was scored, as on a benchmark of which there is only the English part.
        sources = sorted(set.intersection(*(set(run[key]) for run in own)))
        score = _group_score(SOURCE, sources, [run[key] for run in own], seed)
        values = {source: tuple(run[key][source] for run in own) for source in sources}
        drawn = tuple(counts[key] for counts in seeds)
        comparisons.append(Comparison(key, (score,), values, 0, drawn, _unequal(items, key, sources)))
    return comparisons


def split_by_model(rows: Sequence[ResultRow], name: str) -> list[tuple[str, list[ResultRow]]]:
    """Divide a table that holds several models, as the quickstart writes it, into one part a model.

    Args:
        rows (`Sequence[ResultRow]`): The table.
        name (`str`): What to call the model if it is the only one.

    Returns:
        `list[tuple[str, list[ResultRow]]]`: Name and rows of each model, in the order of the table.
    """
    parts: dict[tuple[str, str], list[ResultRow]] = {}
    for row in rows:
        parts.setdefault((row.model, row.revision), []).append(row)
    if len(parts) == 1:
        return [(name, list(rows))]
    return [(PurePath(model).name, part) for (model, _), part in parts.items()]


def bootstrap_interval(
    values: Sequence[float] | np.ndarray, *, seed: int = 0, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean.

    Args:
        values (`Sequence[float]`): One value a language.
        seed (`int`, *optional*, defaults to 0): Seed of the resampling.
        confidence (`float`, *optional*, defaults to 0.95): Its confidence.

    Returns:
        `tuple[float, float]`: Lower and upper end; both the value itself if there is only one.
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return float(array[0]), float(array[0])
    interval = bootstrap(
        (array,),
        np.mean,
        n_resamples=BOOTSTRAP_SAMPLES,
        # Drawn in pieces, so that some hundred languages do not become a matrix of a gigabyte.
        batch=max(1, BOOTSTRAP_VALUES // len(array)),
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def paired_p_value(differences: Sequence[float] | np.ndarray, *, seed: int = 0) -> float:
    """Two-sided paired permutation test: how often random signs give a mean difference as large.

    Args:
        differences (`Sequence[float]`): One difference a language.
        seed (`int`, *optional*, defaults to 0): Seed of the signs, where there are too many pairs to try all.

    Returns:
        `float`: The p-value; 1 if all differences are 0.
    """
    # Not scipy's `permutation_test`, which takes two pairs or more and ten times as long, and misses ties between sums
    # that only rounding tells apart: over accuracies of a few languages it is off by up to 0.09.
    array = np.asarray(differences, dtype=np.float64)
    observed = abs(array.sum())
    # Sums that are equal but for rounding count as equal.
    threshold = observed - 1e-12 * max(1.0, np.abs(array).sum())
    n = len(array)
    if n <= EXACT_PAIRS:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1 - 2 * bits) @ array) >= threshold).mean())
    generator = np.random.default_rng(seed)
    hits = 0
    for _ in range(SIGN_FLIPS // 100):
        signs = generator.integers(0, 2, (100, n)) * 2 - 1
        hits += int((np.abs(signs @ array) >= threshold).sum())
    # The observed signs are one of the possible ones, so that the p-value is never 0.
    return (hits + 1) / (SIGN_FLIPS + 1)


def _group_score(name: str, languages: Sequence[str], measured: Sequence[dict[str, float]], seed: int) -> GroupScore:
    arrays = [np.array([values[language] for language in languages]) for values in measured]
    differences = [array - arrays[0] for array in arrays[1:]]
    return GroupScore(
        name,
        tuple(languages),
        tuple(group_mean(values, languages) or 0.0 for values in measured),
        tuple(bootstrap_interval(array, seed=seed) for array in arrays),
        tuple((float(array.mean()), *bootstrap_interval(array, seed=seed)) for array in differences),
        tuple(paired_p_value(array, seed=seed) for array in differences),
    )


def _item_counts(rows: Sequence[ResultRow]) -> dict[tuple[Measurement, str], int]:
    """Fewest items that a language's score was computed from."""
    counts: dict[tuple[Measurement, str], int] = {}
    for row in rows:
        key = (measurement(row), row.language)
        counts[key] = min(row.n, counts.get(key, row.n))
    return counts


def _unequal(
    items: Sequence[Mapping[tuple[Measurement, str], int]], key: Measurement, languages: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    found = {language: tuple(counts[key, language] for counts in items) for language in languages}
    return {language: numbers for language, numbers in found.items() if len(set(numbers)) > 1}


def _seed_counts(rows: Sequence[ResultRow]) -> dict[Measurement, int]:
    seeds: dict[tuple[Measurement, str], set[int]] = defaultdict(set)
    for row in rows:
        seeds[measurement(row), row.language].add(row.seed)
    counts: dict[Measurement, int] = defaultdict(int)
    for (key, _), drawn in seeds.items():
        counts[key] = max(counts[key], len(drawn))
    return counts
