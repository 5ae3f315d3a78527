"""Who gains and who gives when language adapters are joined (section 2, appendix F and Figure 4 of the paper)."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TypedDict

import numpy as np

from hf_mplm.transfer.transfer_metrics import interference_projection, interference_signs

from .intervals import interval
from .table import Scores


__all__ = ["Interference", "interference_table"]


class Interference(TypedDict):
    """Where a language stands among its combinations of `size` languages.

    `counts` has the number of cases by signs, the language's own first, the others' in the order of their codes:
    `{"+-": 3}` is |+A,-B| = 3. `x` is the mean of its own sign, `y` and `z` (`None` for pairs) those of the others,
    each with the ends of a 95 % bootstrap interval over the `n` cases. `n_missing` combinations could not be told,
    because they or one of their languages alone lack a score.
    """

    task: str
    fusion: str
    language: str
    size: int
    counts: dict[str, int]
    x: float
    x_low: float
    x_high: float
    y: float
    y_low: float
    y_high: float
    z: float | None
    z_low: float | None
    z_high: float | None
    n: int
    n_missing: int


def interference_table(scores: Scores, *, seed: int = 0, samples: int = 2000) -> list[Interference]:
    """Project every language by what it gains from company and what the company gains.

    Args:
        scores (`Scores`): with combinations of two or three languages, and of each of them alone.
        seed (`int`, *optional*, defaults to 0): of the resampling of cases.
        samples (`int`, *optional*, defaults to 2000): how often.

    Returns:
        `list[Interference]`: one row for each task, fusion, language and size; none for a language all of whose
        combinations are missing.
    """
    alone = {
        (task, languages[0]): found[languages[0]]
        for (task, _, languages), found in scores.combined.items()
        if len(languages) == 1 and languages[0] in found
    }
    cases: dict[tuple[str, str, str, int], list[np.ndarray]] = defaultdict(list)
    missing: Counter[tuple[str, str, str, int]] = Counter()
    for (task, fusion, languages), together in sorted(scores.combined.items()):
        if len(languages) == 1:
            continue
        keys = {code: (task, fusion, code, len(languages)) for code in languages}
        if not all(code in together and (task, code) in alone for code in languages):
            missing.update(keys.values())
            continue
        pair, single = [together[code] for code in languages], [alone[task, code] for code in languages]
        signs = dict(zip(languages, interference_signs([pair], [single])[0]))
        for code, key in keys.items():
            cases[key].append(np.array([signs[code], *(signs[other] for other in languages if other != code)]))
    rng = np.random.default_rng(seed)
    return [_row(key, np.array(signs), missing[key], rng, samples) for key, signs in sorted(cases.items())]


def _row(
    key: tuple[str, str, str, int], signs: np.ndarray, missing: int, rng: np.random.Generator, samples: int
) -> Interference:
    task, fusion, language, size = key
    places = [float(place) for place in interference_projection(signs)]
    weights = rng.multinomial(len(signs), np.full(len(signs), 1 / len(signs)), samples) / len(signs)
    ends = [interval(column) for column in (weights @ signs).T]
    third = len(places) > 2
    return {
        "task": task,
        "fusion": fusion,
        "language": language,
        "size": size,
        "counts": dict(sorted(Counter("".join("+" if sign > 0 else "-" for sign in case) for case in signs).items())),
        "x": places[0],
        "x_low": ends[0][0],
        "x_high": ends[0][1],
        "y": places[1],
        "y_low": ends[1][0],
        "y_high": ends[1][1],
        "z": places[2] if third else None,
        "z_low": ends[2][0] if third else None,
        "z_high": ends[2][1] if third else None,
        "n": len(signs),
        "n_missing": missing,
    }
