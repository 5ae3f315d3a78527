"""Whom to tune on for a target: what was measured, what was measured for its relatives, what is predicted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hf_mplm.languages import branch, parse_code

from .intervals import interval, nested_means
from .prediction import Prediction
from .rows import PairTransfer, count_steps


__all__ = ["Advice", "Evidence", "advise"]

Evidence = Literal["measured", "relatives", "predicted"]

_SAMPLES = 2000


@dataclass(frozen=True)
class Advice:
    """A transfer language for a target.

    Args:
        donor (`str`): the transfer language.
        evidence (`"measured"`, `"relatives"` or `"predicted"`): for the target itself, for targets of its branch, or
            by their features.
        value (`float`): the transfer score, 0.1 being a gain of a tenth of the base score.
        low (`float`, *optional*): lower end of its 95 % interval: over repeats for what was measured, over relatives
            and their repeats, over the errors of predictions; `None` where there is only one number.
        high (`float`, *optional*): upper end.
        languages (`tuple[str, ...]`): the targets that it was measured for.
    """

    donor: str
    evidence: Evidence
    value: float
    low: float | None
    high: float | None
    languages: tuple[str, ...] = ()


def advise(
    table: Sequence[PairTransfer],
    target: str,
    task: str,
    predicted: Prediction | None = None,
    *,
    step: int | None = None,
    seed: int = 0,
) -> list[Advice]:
    """Rank donors for a target. A donor stands there once, with the best evidence that there is of it.

    Args:
        table (`Sequence[PairTransfer]`): of [`transfer_table`].
        target (`str`): whom to help.
        task (`str`): in what.
        predicted (`Prediction`, *optional*): of [`predict`], for donors that nothing was measured of.
        step (`int`, *optional*): after so many steps; the largest number of the task by default.
        seed (`int`, *optional*, defaults to 0): of the intervals over relatives.

    Returns:
        `list[Advice]`: what was measured first, then relatives, then predictions; within each the best first.

    Raises:
        ValueError: If the table has nothing of the task and step, or nothing is known for the target.
    """
    code = parse_code(target).code
    steps = sorted({row["step"] for row in table if row["task"] == task})
    step = steps[-1] if step is None and steps else step
    if step not in steps:
        there = sorted({(row["task"], row["step"]) for row in table})
        raise ValueError(
            f"the study has nothing of {task}{'' if step is None else f' after {count_steps(step)}'}; it has "
            + (", ".join(f"{name} after {number}" for name, number in there) or "no scores at all")
        )
    rows = [row for row in table if (row["task"], row["step"]) == (task, step) and row["ts"] is not None]
    found = [_measured(row) for row in rows if row["target"] == code]
    found += _relatives(rows, code, seed)
    if predicted is not None:
        found += [
            Advice(one["transfer_language"], "predicted", one["ts"], _finite(one["low"]), _finite(one["high"]))
            for one in predicted.pairs
            if (one["task"], one["step"], one["target"]) == (task, step, code)
        ]
    best: dict[str, Advice] = {}
    for advice in found:
        if advice.donor != code:
            best.setdefault(advice.donor, advice)
    if not best:
        raise ValueError(
            f"nothing was measured for {code} in {task}, nor for a relative of it; give predictions, of "
            "`hf-mplm transfer predict`"
        )
    order: list[Evidence] = ["measured", "relatives", "predicted"]
    return sorted(best.values(), key=lambda one: (order.index(one.evidence), -one.value, one.donor))


def _measured(row: PairTransfer) -> Advice:
    low = high = None
    value, sem = row["ts"] or 0.0, row["sem"]
    if sem is not None:
        from scipy.stats import t

        reach = float(t.ppf(0.975, row["n_repeats"] - 1)) * sem
        low, high = value - reach, value + reach
    return Advice(row["transfer_language"], "measured", value, low, high, (row["target"],))


def _relatives(rows: Sequence[PairTransfer], code: str, seed: int) -> list[Advice]:
    own = branch(code)
    by_donor: dict[str, list[PairTransfer]] = defaultdict(list)
    for row in rows:
        if row["target"] != code and own != "unknown" and branch(row["target"]) == own:
            by_donor[row["transfer_language"]].append(row)
    rng = np.random.default_rng(seed)
    found = []
    for donor, near in by_donor.items():
        changes = [np.array(row["scores"]) / (row["base"] or 1.0) - 1 for row in near]
        low, high = interval(nested_means(changes, rng, _SAMPLES)) if len(near) > 1 else (None, None)
        value = float(np.mean([row["ts"] or 0.0 for row in near]))
        found.append(Advice(donor, "relatives", value, low, high, tuple(row["target"] for row in near)))
    return found


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
