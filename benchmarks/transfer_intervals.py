"""How often a transfer study's 95 % intervals hold the truth, and how often sequential stopping is fooled.

    python -m benchmarks.transfer_intervals

Studies are simulated: a transfer language has an effect of 0, each target an effect of its own, each repeat one on all
targets, and each score an error. Coverage is that of the bootstrap of `hf_mplm.transfer.findings.intervals`, with
n - 1 of n drawn as there, and with n of n. False decisions are those of pairs without an effect whose interval
excludes 0 at one repeat or another before the study ends.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy import stats

from benchmarks._report import report
from hf_mplm.transfer.findings import intervals
from hf_mplm.transfer.study.stopping import StoppingRule


# Targets and repeats: the paper's, and smaller ones.
SIZES = ((7, 3), (7, 10), (30, 3), (30, 10), (100, 10))
# Standard deviations of targets, repeats and errors.
SPREADS = {"targets": (0.05, 0.01, 0.02), "repeats": (0.01, 0.05, 0.02), "both": (0.03, 0.03, 0.03)}


def main() -> None:
    """Simulate, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--samples", type=int, default=300)
    args = parser.parse_args()
    rows: list[dict[str, object]] = []
    for spread, deviations in SPREADS.items():
        for targets, repeats in SIZES:
            rng = np.random.default_rng(0)
            held = [0, 0]
            for _ in range(args.studies):
                matrix = simulate(rng, targets, repeats, deviations)
                for place, draws in enumerate((intervals._draws, lambda number: number)):
                    low, high = interval_of(matrix, rng, args.samples, draws)
                    held[place] += low <= 0 <= high
            rows.append(
                {
                    "what": f"coverage, spread over {spread}",
                    "targets": targets,
                    "repeats": repeats,
                    "ours": held[0] / args.studies,
                    "plain": held[1] / args.studies,
                }
            )
    for repeats in (5, 10):
        values = np.random.default_rng(0).normal(size=(repeats, 20 * args.studies))
        ours, plain = fooled(values, StoppingRule(1e-9, max_repeats=repeats).confidence), fooled(values, 0.95)
        rows.append({"what": "false decisions", "targets": 1, "repeats": repeats, "ours": ours, "plain": plain})
    report("transfer_intervals", rows)


def simulate(rng: np.random.Generator, targets: int, repeats: int, deviations: tuple[float, ...]) -> np.ndarray:
    """Transfer scores of a language without an effect. Shape: (targets, repeats)."""
    own, common, error = deviations
    return np.asarray(
        own * rng.normal(size=(targets, 1))
        + common * rng.normal(size=(1, repeats))
        + error * rng.normal(size=(targets, repeats))
    )


def interval_of(
    matrix: np.ndarray, rng: np.random.Generator, samples: int, draws: Callable[[int], int]
) -> tuple[float, float]:
    """The interval of the mean, with as many draws of n as `draws` says."""
    before = intervals._draws
    intervals._draws = draws  # type: ignore[assignment]
    try:
        return intervals.interval(intervals.crossed_means(matrix, rng, samples))
    finally:
        intervals._draws = before


def fooled(values: np.ndarray, confidence: float, first: int = 3) -> float:
    """The share of columns whose t interval of that confidence excludes 0 after some number of rows."""
    out = np.zeros(values.shape[1], dtype=bool)
    for number in range(first, len(values) + 1):
        some = values[:number]
        half = stats.t.ppf((1 + confidence) / 2, number - 1) * some.std(axis=0, ddof=1) / np.sqrt(number)
        out |= np.abs(some.mean(axis=0)) > half
    return float(out.mean())


if __name__ == "__main__":
    main()
