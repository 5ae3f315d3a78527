"""What an analysis finds: one row a number, each with what it is to be compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


__all__ = ["Analysis", "Finding"]


@dataclass(frozen=True)
class Finding:
    """One number of an analysis, with what it is to be compared with.

    Args:
        view (`str`): the view of the vectors, or the name of a set of clusters.
        centred (`bool`, *optional*): whether the centre was taken off; `None` for clusters.
        measure (`str`): `nearest neighbour`, `clusters`, `mantel`, `lexical similarity`.
        of (`str`): what it is held against, such as `family`.
        among (`str`): which pairs or neighbours count, such as `another script`; of a partial
            correlation, what is given.
        statistic (`str`): `share`, `ari`, `purity`, `spearman`, `partial spearman`, `pearson`.
        value (`float`, *optional*): the number; `None` where there is none.
        baseline (`float`, *optional*): chance, or the share of the most frequent class.
        low (`float`, *optional*): lower end of a 95 % interval.
        high (`float`, *optional*): upper end.
        p (`float`, *optional*): (b + 1) / (n + 1) over `permutations`.
        permutations (`int`, *optional*): how many.
        n_languages (`int`): languages that it rests on.
        n_lacking (`int`): languages that lack data, or anything to be compared with.
        lacking (`str`): their codes, with spaces between.
    """

    view: str
    centred: bool | None
    measure: str
    of: str
    among: str
    statistic: str
    value: float | None
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    permutations: int | None = None
    n_languages: int = 0
    n_lacking: int = 0
    lacking: str = ""

    @classmethod
    def over(cls, codes: Sequence[str], lacking: Sequence[str], **fields: Any) -> Finding:
        """A finding over languages of which some lack data; NaN becomes `None`.

        Args:
            codes (`Sequence[str]`): all languages.
            lacking (`Sequence[str]`): those that lack data.
            fields: the other fields.
        """
        numbers = {
            name: None if isinstance(value, float) and math.isnan(value) else value for name, value in fields.items()
        }
        counts = {"n_languages": len(codes) - len(lacking), "n_lacking": len(lacking), "lacking": " ".join(lacking)}
        return cls(**numbers, **counts)


@dataclass
class Analysis:
    """What `analyse` found.

    Args:
        findings (`list[Finding]`): the numbers.
        left_out (`dict[str, str]`): views that could not be analysed, with why.
        settings (`dict[str, int]`): depth, permutations, seed.
    """

    findings: list[Finding] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    settings: dict[str, int] = field(default_factory=dict)
