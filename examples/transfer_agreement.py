"""How far two transfer studies agree: with modules of two libraries, two schedules, two bases, other test sentences.

    python -m examples.transfer_agreement --studies STUDY OTHER

Both are folders of `hf-mplm transfer plan`. For each task and number of steps that both have: the rank correlation of
the transfer scores of the pairs of languages that both measured, that of the donors' means over them, and the mean
score of each. It says as much of the studies' own noise as of what they differ in: two repeats of one study are the
measure of it (`--repeats 0 --against 1`, of STUDY alone or of both).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from hf_mplm.transfer import Scores, StudyDatabase, transfer_table


Pairs = Mapping[tuple[str, str], float]


def read(study: Path, repeats: Sequence[int] | None) -> Mapping[tuple[str, int], Pairs]:
    """Transfer scores by transfer language and target, for each task and number of steps."""
    with StudyDatabase(study) as database:
        rows = [row for row in database.scores() if not repeats or row["kind"] != "tuning" or row["repeat"] in repeats]
    found: dict[tuple[str, int], dict[tuple[str, str], float]] = {}
    for pair in transfer_table(Scores.from_rows(rows)):
        if pair["ts"] is not None:
            own = found.setdefault((pair["task"], pair["step"]), {})
            own[pair["transfer_language"], pair["target"]] = pair["ts"]
    return found


def agreement(one: Pairs, other: Pairs) -> list[int | float | None]:
    """Number of pairs, correlation of pairs and of donors, mean of each."""
    pairs = sorted(one.keys() & other.keys())
    values = np.array([[scores[pair] for pair in pairs] for scores in (one, other)])
    donors = sorted({donor for donor, _ in pairs})
    means = np.array([values[:, [pair[0] == donor for pair in pairs]].mean(axis=1) for donor in donors]).T
    return [len(pairs), *(correlation(each) for each in (values, means)), *values.mean(axis=1).tolist()]


def correlation(values: np.ndarray) -> float | None:
    """Spearman's, and none where there is nothing to rank."""
    if values.shape[1] < 3 or (np.ptp(values, axis=1) == 0).any():
        return None
    return float(spearmanr(*values).statistic)


def main() -> None:
    """Print a line for each task and number of steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=Path, nargs="+", required=True, help="one or two folders")
    parser.add_argument("--repeats", type=int, nargs="+", help="of the first, by number; all by default")
    parser.add_argument("--against", type=int, nargs="+", help="of the second, or of the first where there is one")
    args = parser.parse_args()
    first, second = read(args.studies[0], args.repeats), read(args.studies[-1], args.against)
    print("| task | steps | pairs | Spearman of pairs | of donors | mean, first | mean, second |")
    print("|---|---|---|---|---|---|---|")
    for task, steps in sorted(first.keys() & second.keys()):
        told = agreement(first[task, steps], second[task, steps])
        cells = [f"{one:.3f}" if isinstance(one, float) else "-" if one is None else str(one) for one in told]
        print(f"| {task} | {steps} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
