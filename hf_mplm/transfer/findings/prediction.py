"""Transfer scores of pairs that nobody measured, from what is known of them without training.

What the predictions are worth is measured by leaving out every transfer language, and every target, in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np

from .features import LINEAGE, pair_features
from .rows import PairTransfer, count_steps


__all__ = ["PredictedTransfer", "Prediction", "Skill", "pair_features", "predict"]

Pair = tuple[str, str]

RIDGE = "ridge"
_HELD_OUT = ("transfer language", "target")
# The strength of the penalty is chosen of these by leave-one-out over the pairs of the training part.
_PENALTIES = np.logspace(-2, 4, 13)
_MIN_FOLD = 3


class Skill(TypedDict):
    """How well a method orders what it has not seen: Spearman's correlation, a mean over `n_folds` of them.

    `held_out` says what a fold leaves out. A fold with fewer than three pairs is not counted; a method that tells no
    pair of a fold apart has 0 there, as has every method on a fold whose true scores are all equal.
    """

    task: str
    step: int
    held_out: str
    method: str
    spearman: float | None
    n_folds: int


class PredictedTransfer(TypedDict):
    """A pair that was not measured; `low` and `high` hold 95 % of the errors on targets that were left out."""

    task: str
    step: int
    transfer_language: str
    target: str
    ts: float
    low: float
    high: float


@dataclass(frozen=True)
class Prediction:
    """What `predict` found.

    Args:
        pairs (`list[PredictedTransfer]`): the pairs with features that were not measured.
        skills (`list[Skill]`): of the ridge and of every baseline.
        verdicts (`list[str]`): a sentence for each task, step and kind of fold: whether the ridge beats the baselines.
        n_without_features (`int`): measured pairs that were left out because they have no features.
    """

    pairs: list[PredictedTransfer]
    skills: list[Skill]
    verdicts: list[str]
    n_without_features: int = 0


class _Data(NamedTuple):
    pairs: list[Pair]
    values: np.ndarray


_Method = Callable[[_Data, Sequence[Pair]], np.ndarray]


def predict(table: Sequence[PairTransfer], features: Mapping[Pair, Mapping[str, float]]) -> Prediction:
    """Learn transfer scores from features of the pairs, and predict those of all pairs that were not measured.

    The model is a ridge over standardised features, with an effect of each transfer language and target that it has
    seen. The baselines are the global mean, the mean of the transfer language or target that the pair shares with
    what was seen (the donor mean where targets are left out), and a ridge on lineage alone.

    Args:
        table (`Sequence[PairTransfer]`): of [`transfer_table`].
        features (`Mapping[tuple[str, str], Mapping[str, float]]`): (transfer language, target) to its features, as
            [`pair_features`] gives them, the same names for each; NaN for what is not known.

    Returns:
        `Prediction`: nothing for a task and step with fewer than three measured pairs.

    Raises:
        ValueError: If there are no features or the pairs have different ones.
    """
    names = sorted(next(iter(features.values()), {}))
    if not names or any(sorted(own) != names for own in features.values()):
        raise ValueError("features are needed, of the same names for every pair; make all with the same arguments")
    groups: dict[tuple[str, int], dict[Pair, float]] = defaultdict(dict)
    without: set[tuple[str, int, Pair]] = set()
    for row in table:
        pair = row["transfer_language"], row["target"]
        if row["ts"] is not None and pair in features:
            groups[row["task"], row["step"]][pair] = row["ts"]
        elif row["ts"] is not None:
            without.add((row["task"], row["step"], pair))
    matrix = {pair: np.array([own[name] for name in names], dtype=np.float64) for pair, own in features.items()}
    pairs: list[PredictedTransfer] = []
    skills: list[Skill] = []
    verdicts: list[str] = []
    for (task, step), known in groups.items():
        data = _Data(sorted(known), np.array([known[pair] for pair in sorted(known)]))
        if len(data.pairs) < _MIN_FOLD:
            continue
        errors = np.empty(0)
        for side, held_out in enumerate(_HELD_OUT):
            own = []
            for method, fitted in _methods(matrix, names, side).items():
                guesses = _left_out(data, side, fitted)
                own.append(_skill(data, guesses, side, (task, step, held_out, method)))
                if method == RIDGE:
                    errors = (data.values - guesses)[np.isfinite(guesses)]
            skills += own
            verdicts.append(_verdict(own))
        # With a single target nothing could be left out, and nothing is known of the errors.
        low, high = np.quantile(errors, [0.025, 0.975]) if len(errors) else (-np.inf, np.inf)
        unseen = sorted(features.keys() - known.keys())
        for pair, value in zip(unseen, _ridge(matrix, slice(None), True)(data, unseen) if unseen else ()):
            pairs.append(
                {
                    "task": task,
                    "step": step,
                    "transfer_language": pair[0],
                    "target": pair[1],
                    "ts": float(value),
                    "low": float(value + low),
                    "high": float(value + high),
                }
            )
    return Prediction(pairs, skills, verdicts, len(without))


def _methods(matrix: Mapping[Pair, np.ndarray], names: Sequence[str], side: int) -> dict[str, _Method]:
    # Of a pair whose transfer language was left out, the target was seen, and the other way round.
    shared = 1 - side
    methods: dict[str, _Method] = {
        RIDGE: _ridge(matrix, slice(None), True),
        "global mean": lambda data, pairs: np.full(len(pairs), data.values.mean()),
        "donor mean" if shared == 0 else "target mean": lambda data, pairs: _means(data, pairs, shared),
    }
    if LINEAGE in names:
        column = names.index(LINEAGE)
        methods["lineage alone"] = _ridge(matrix, slice(column, column + 1), False)
    return methods


def _left_out(data: _Data, side: int, method: _Method) -> np.ndarray:
    """What a method says of each pair when all pairs of its language on that side are unknown; NaN without others."""
    guesses = np.full(len(data.pairs), np.nan)
    languages = np.array([pair[side] for pair in data.pairs])
    for language in dict.fromkeys(languages):
        test = languages == language
        if test.all():
            continue
        train = _Data([pair for pair, held in zip(data.pairs, test) if not held], data.values[~test])
        guesses[test] = method(train, [pair for pair, held in zip(data.pairs, test) if held])
    return guesses


def _skill(data: _Data, guesses: np.ndarray, side: int, key: tuple[str, int, str, str]) -> Skill:
    from scipy.stats import spearmanr

    languages = np.array([pair[side] for pair in data.pairs])
    found = []
    for language in dict.fromkeys(languages):
        chosen = (languages == language) & np.isfinite(guesses)
        if chosen.sum() < _MIN_FOLD:
            continue
        # Numbers that only rounding tells apart are no order.
        said, true = guesses[chosen].round(12), data.values[chosen]
        found.append(float(spearmanr(said, true).statistic) if np.ptp(said) and np.ptp(true) else 0.0)
    task, step, held_out, method = key
    return {
        "task": task,
        "step": step,
        "held_out": held_out,
        "method": method,
        "spearman": float(np.mean(found)) if found else None,
        "n_folds": len(found),
    }


def _verdict(skills: Sequence[Skill]) -> str:
    ridge, *baselines = skills
    where = f"{ridge['task']} after {count_steps(ridge['step'])}, each {ridge['held_out']} left out"
    if ridge["spearman"] is None:
        return f"{where}: too few pairs to tell what a prediction is worth"
    best = max(baselines, key=lambda skill: skill["spearman"] or 0.0)
    numbers = f"Spearman {ridge['spearman']:.3f} against {best['spearman'] or 0.0:.3f} of the {best['method']}"
    beats = ridge["spearman"] > (best["spearman"] or 0.0)
    return f"{where}: the ridge {'beats' if beats else 'does not beat'} the best baseline, {numbers}"


def _means(data: _Data, pairs: Sequence[Pair], side: int) -> np.ndarray:
    found: dict[str, list[float]] = defaultdict(list)
    for pair, value in zip(data.pairs, data.values):
        found[pair[side]].append(value)
    return np.array([np.mean(found.get(pair[side], [data.values.mean()])) for pair in pairs])


def _ridge(matrix: Mapping[Pair, np.ndarray], columns: slice, effects: bool) -> _Method:
    def method(data: _Data, pairs: Sequence[Pair]) -> np.ndarray:
        from sklearn.linear_model import RidgeCV

        train, test = (np.array([matrix[pair][columns] for pair in some]) for some in (data.pairs, pairs))
        centre, scale = np.zeros(train.shape[1]), np.ones(train.shape[1])
        for column, values in enumerate(train.T):
            if np.isfinite(values).any():
                centre[column], scale[column] = np.nanmean(values), np.nanstd(values) or 1.0
        # What is not known is taken to be the mean.
        train, test = (np.nan_to_num((part - centre) / scale) for part in (train, test))
        if effects:
            seen = [list(dict.fromkeys(pair[side] for pair in data.pairs)) for side in (0, 1)]
            train = np.hstack([train, *(_indicators(data.pairs, side, seen[side]) for side in (0, 1))])
            test = np.hstack([test, *(_indicators(pairs, side, seen[side]) for side in (0, 1))])
        return np.asarray(RidgeCV(_PENALTIES).fit(train, data.values).predict(test))

    return method


def _indicators(pairs: Sequence[Pair], side: int, seen: Sequence[str]) -> np.ndarray:
    """A column for each language that was seen; a language that was not has none."""
    return np.array([[float(pair[side] == code) for code in seen] for pair in pairs])
