"""Transfer scores and what the paper's tables say of them: who helps, who is helped, and how sure that is.

Source of all: Faisal and Anastasopoulos (2024), arXiv 2403.20088. Every table is a list of rows with the same keys, as
`pandas.DataFrame` takes it. Numbers are fractions, where the paper has percent.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np

from hf_mplm.transfer.transfer_metrics import transfer_scores

from .intervals import crossed_means, interval, nested_means, verdict
from .rows import (
    Correlation,
    LargestRecipient,
    PairTransfer,
    Rank,
    Rankings,
    Recipients,
    RecipientShare,
    VarianceType,
)
from .table import Scores


__all__ = ["rank_donors", "rankings", "recipients", "task_correlation", "transfer_table", "variance_types"]

Row = TypeVar("Row")

# Of the targets for which a transfer language is the best or the worst: above it is (+), below the rest of it (-).
_ONE_SIDED = 2 / 3
_ALMOST_ALL = 0.9


def transfer_table(scores: Scores) -> list[PairTransfer]:
    """Compute the transfer scores of a study (section 2), one row for each task, step, transfer language and target.

    Args:
        scores (`Scores`): what was measured.

    Returns:
        `list[PairTransfer]`: a pair of which no repeat was scored has no row.
    """
    table: list[PairTransfer] = []
    for (task, step, language, target), repeats in sorted(scores.tuned.items()):
        values = [repeats[number] for number in sorted(repeats)]
        base = scores.base.get((task, target))
        mean = float(np.mean(values))
        ts = sem = None
        if base is not None and base > 0:
            ts = float(transfer_scores([values], [base])[0])
            if len(values) > 1:
                sem = float(np.std(values, ddof=1)) / math.sqrt(len(values)) / base
        table.append(
            {
                "task": task,
                "metric": scores.metrics[task],
                "step": step,
                "transfer_language": language,
                "target": target,
                "base": base,
                "mean": mean,
                "change": None if base is None else mean - base,
                "ts": ts,
                "sem": sem,
                "n_repeats": len(values),
                "repeats": sorted(repeats),
                "scores": values,
            }
        )
    return table


def rankings(table: Sequence[PairTransfer], *, seed: int = 0, samples: int = 2000) -> Rankings:
    """Rank transfer languages and targets (Tables 3 and 15 to 18; appendices H and I).

    Intervals resample what was drawn: of a transfer language its targets and, for all targets at once, its repeats,
    for one tuned model serves them all; of a target the transfer languages and the repeats of each.

    Args:
        table (`Sequence[PairTransfer]`): of [`transfer_table`].
        seed (`int`, *optional*, defaults to 0): of the resampling.
        samples (`int`, *optional*, defaults to 2000): how often.
    """
    return Rankings(rank_donors(table, seed=seed, samples=samples), _rank_targets(table, seed, samples))


def rank_donors(table: Sequence[PairTransfer], *, seed: int = 0, samples: int = 2000) -> list[Rank]:
    """The `transfer` of [`rankings`] alone.

    Args:
        table (`Sequence[PairTransfer]`): of [`transfer_table`].
        seed (`int`, *optional*, defaults to 0): of the resampling.
        samples (`int`, *optional*, defaults to 2000): how often.
    """
    ranks: list[Rank] = []
    for rows in _groups(table, lambda row: (row["task"], row["step"])):
        extremes = [_extremes(own, "transfer_language") for own in _groups(rows, lambda row: row["target"])]
        ranks += _ranked(
            [
                _rank(
                    own,
                    own[0]["transfer_language"],
                    extremes,
                    lambda known: crossed_means(_matrix(known), np.random.default_rng(seed), samples),
                )
                for own in _groups(rows, lambda row: row["transfer_language"])
            ]
        )
    return ranks


def _rank_targets(table: Sequence[PairTransfer], seed: int, samples: int) -> list[Rank]:
    ranks: list[Rank] = []
    for rows in _groups(table, lambda row: (row["task"], row["step"])):
        extremes = [_extremes(own, "target") for own in _groups(rows, lambda row: row["transfer_language"])]
        ranks += _ranked(
            [
                _rank(
                    own,
                    own[0]["target"],
                    extremes,
                    lambda known: nested_means(_relative(known), np.random.default_rng(seed), samples),
                )
                for own in _groups(rows, lambda row: row["target"])
            ]
        )
    return ranks


def variance_types(ranks: Iterable[Rank]) -> list[VarianceType]:
    """Sort transfer languages by how they vary, and say how (Table 5, appendix L).

    The paper states no rule; this one gives its six examples back. A language that is the best or the worst donor of
    no target is `neutral`. Otherwise it is `+` if it is the best one in two thirds or more of those cases, `-` if it
    is the worst one in two thirds or more, and `+ and -` in between.

    Args:
        ranks (`Iterable[Rank]`): `transfer` of [`rankings`].
    """
    found: list[VarianceType] = []
    for own in _groups(ranks, lambda row: (row["task"], row["step"])):
        order = sorted(own, key=lambda row: (row["variance"] is None, -(row["variance"] or 0.0), row["language"]))
        for number, row in enumerate(order, start=1):
            found.append(
                {
                    "task": row["task"],
                    "step": row["step"],
                    "rank": number,
                    "language": row["language"],
                    "n_max": row["n_max"],
                    "n_min": row["n_min"],
                    "ts": row["ts"],
                    "variance": row["variance"],
                    "type": _variance_type(row["n_max"], row["n_min"]),
                }
            )
    return found


def recipients(table: Sequence[PairTransfer]) -> Recipients:
    """Find the targets that gain from all transfer languages or from none, and the largest gain of each language.

    Groups as in Table 19: `always` (from all), `almost always` (from nine tenths or more), `never`, and `sometimes`.

    Args:
        table (`Sequence[PairTransfer]`): of [`transfer_table`].
    """
    known = [row for row in table if row["ts"] is not None]
    shares: list[RecipientShare] = []
    for own in _groups(known, lambda row: (row["task"], row["step"], row["target"])):
        share = sum((row["ts"] or 0.0) > 0 for row in own) / len(own)
        group = "always" if share == 1 else "almost always" if share >= _ALMOST_ALL else "sometimes"
        first = own[0]
        shares.append(
            {
                "task": first["task"],
                "step": first["step"],
                "target": first["target"],
                "positive": share,
                "n": len(own),
                "group": group if share else "never",
            }
        )
    largest: list[LargestRecipient] = []
    for own in _groups(known, lambda row: (row["task"], row["step"], row["transfer_language"])):
        top = max(own, key=lambda row: row["ts"] or 0.0)
        largest.append(
            {
                "task": top["task"],
                "step": top["step"],
                "transfer_language": top["transfer_language"],
                "target": top["target"],
                "ts": top["ts"] or 0.0,
            }
        )
    return Recipients(shares, largest)


def task_correlation(table: Sequence[PairTransfer]) -> list[Correlation]:
    """Correlate what the tasks say of the transfer languages, over the targets and languages of both (Table 21).

    `rho` and `p` (two-sided) are `None` for fewer than three languages, and where a task tells none apart.

    Args:
        table (`Sequence[PairTransfer]`): of [`transfer_table`].
    """
    # Here, because scipy's statistics take longer to import than most commands take to say their help.
    from scipy.stats import spearmanr

    found: list[Correlation] = []
    for own in _groups(table, lambda row: row["step"]):
        tasks = {
            rows[0]["task"]: {
                (row["transfer_language"], row["target"]): row["ts"] for row in rows if row["ts"] is not None
            }
            for rows in _groups(own, lambda row: row["task"])
        }
        for first, second in combinations(tasks, 2):
            pairs = sorted(tasks[first].keys() & tasks[second].keys())
            languages = sorted({language for language, _ in pairs})
            means = [
                [np.mean([tasks[task][pair] for pair in pairs if pair[0] == language]) for language in languages]
                for task in (first, second)
            ]
            rho = p = None
            if len(languages) > 2 and all(np.ptp(values) > 0 for values in means):
                result = spearmanr(*means)
                rho, p = float(result.statistic), float(result.pvalue)
            found.append(
                {
                    "step": own[0]["step"],
                    "first": first,
                    "second": second,
                    "rho": rho,
                    "p": p,
                    "n": len(languages),
                    "n_targets": len({target for _, target in pairs}),
                }
            )
    return found


def _rank(
    rows: Sequence[PairTransfer],
    language: str,
    extremes: Sequence[tuple[set[str], set[str]]],
    resampled: Callable[[list[PairTransfer]], np.ndarray],
) -> Rank:
    known = [row for row in rows if row["ts"] is not None]
    values = np.array([row["ts"] for row in known], dtype=np.float64)
    zeros = [row["change"] for row in rows if row["ts"] is None and row["change"] is not None]
    # One other says nothing of others, so that there is no interval.
    low, high = interval(resampled(known)) if len(known) > 1 else (None, None)
    return {
        "task": rows[0]["task"],
        "step": rows[0]["step"],
        "rank": 0,
        "language": language,
        "ts": float(values.mean()) if len(values) else None,
        "low": low,
        "high": high,
        "verdict": verdict(low, high),
        "positive": float((values > 0).mean()) if len(values) else None,
        "variance": float(values.var(ddof=1)) if len(values) > 1 else None,
        "n": len(values),
        "n_max": sum(language in best for best, _ in extremes),
        "n_min": sum(language in worst for _, worst in extremes),
        "n_zero_base": len(zeros),
        "zero_base_change": float(np.mean(zeros)) if zeros else None,
        "n_no_base": sum(row["base"] is None for row in rows),
    }


def _ranked(ranks: list[Rank]) -> list[Rank]:
    order = sorted(ranks, key=lambda row: (row["ts"] is None, -(row["ts"] or 0.0), row["language"]))
    for number, row in enumerate(order, start=1):
        row["rank"] = number
    return order


def _extremes(rows: Sequence[PairTransfer], name: str) -> tuple[set[str], set[str]]:
    """Who has the highest and who the lowest score; nobody where all are equal, as is one alone."""
    known = [(str(row[name]), row["ts"]) for row in rows if row["ts"] is not None]  # type: ignore[literal-required]
    scores = [ts for _, ts in known]
    if not scores or min(scores) == max(scores):
        return set(), set()
    return {who for who, ts in known if ts == max(scores)}, {who for who, ts in known if ts == min(scores)}


def _variance_type(n_max: int, n_min: int) -> str:
    if not n_max + n_min:
        return "neutral"
    share = n_max / (n_max + n_min)
    return "+" if share >= _ONE_SIDED else "-" if 1 - share >= _ONE_SIDED else "+ and -"


def _relative(rows: Sequence[PairTransfer]) -> list[np.ndarray]:
    return [np.array(row["scores"]) / (row["base"] or 1.0) - 1 for row in rows]


def _matrix(rows: Sequence[PairTransfer]) -> np.ndarray:
    """The changes of each repeat, NaN where a cell is missing. Shape: (targets, repeats)."""
    repeats = sorted({number for row in rows for number in row["repeats"]})
    matrix = np.full((len(rows), len(repeats)), np.nan)
    for line, row, changes in zip(matrix, rows, _relative(rows)):
        line[[repeats.index(number) for number in row["repeats"]]] = changes
    return matrix


def _groups(rows: Iterable[Row], key: Callable[[Row], object]) -> list[list[Row]]:
    found: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return list(found.values())
