"""Which units a study is made of, in the order in which they are run."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from .unit import Unit


__all__ = ["combination_counts", "describe", "make_units"]


def make_units(
    transfer_languages: Sequence[str],
    repeats: int,
    *,
    combination_languages: Sequence[str] = (),
    sizes: Sequence[int] = (),
    fusion: Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
) -> list[Unit]:
    """List the units of a study.

    The baseline comes first, then all languages once, then all of them again: a study that is stopped early has as
    many repeats of one language as of another. Combinations follow.

    Args:
        transfer_languages (`Sequence[str]`): languages to tune on.
        repeats (`int`): tunings of each.
        combination_languages (`Sequence[str]`, *optional*): languages to combine.
        sizes (`Sequence[int]`, *optional*): sizes of the combinations, of 1 to 3.
        fusion (`Sequence[str]`, *optional*): how several adapters are joined; each is a unit of its own.
        sample (`int`, *optional*): draw so many combinations of three at random instead of taking all.
        seed (`int`, *optional*, defaults to 0): of that draw.
    """
    units = [Unit("baseline")]
    units += [Unit("tuning", (code,), repeat) for repeat in range(repeats) for code in sorted(transfer_languages)]
    for size in sorted(sizes):
        combinations = list(itertools.combinations(sorted(combination_languages), size))
        if size == 3 and sample is not None and sample < len(combinations):
            combinations = sorted(random.Random(seed).sample(combinations, sample))
        units += [
            Unit("combination", combination, fusion=how)
            for combination in combinations
            for how in (fusion if size > 1 else ("",))
        ]
    return units


def combination_counts(units: Sequence[Unit]) -> dict[int, int]:
    """Size of a combination -> how many there are, over all kinds of fusion."""
    counts: dict[int, int] = {}
    for unit in units:
        if unit.kind == "combination":
            counts[len(unit.languages)] = counts.get(len(unit.languages), 0) + 1
    return counts


def describe(unit: Unit) -> str:
    """A unit in words.

    Args:
        unit (`Unit`): what to name.
    """
    if unit.kind == "tuning":
        return f"tuning on {unit.languages[0]}, repeat {unit.repeat}"
    if unit.kind == "combination":
        return f"combination {' + '.join(unit.languages)}{f' ({unit.fusion})' if unit.fusion else ''}"
    return unit.kind
