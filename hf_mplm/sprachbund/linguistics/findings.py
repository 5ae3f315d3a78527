"""What an analysis finds: one row a number, each with what it is to be compared with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from hf_mplm.jobs.files import atomic_write


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
    def over(cls, codes: Sequence[str], lacking: Sequence[str], **values: Any) -> Finding:
        """A finding over languages of which some lack data; NaN becomes `None`.

        Args:
            codes (`Sequence[str]`): all languages.
            lacking (`Sequence[str]`): those that lack data.
            values: the other fields.
        """
        numbers: dict[str, Any] = {
            name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()
        }
        counts: dict[str, Any] = {
            "n_languages": len(codes) - len(lacking),
            "n_lacking": len(lacking),
            "lacking": " ".join(lacking),
        }
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

    def write(self, path: str | Path, metadata: Mapping[str, Any] | None = None) -> Path:
        """Write the findings as a Parquet table, a row each, whose columns are the fields of [`Finding`].

        Args:
            path (`str` or `Path`): the file.
            metadata (`Mapping[str, Any]`, *optional*): what else is known of their making; it stands with the settings
                and the views that were left out in the table's own metadata, under `hf_mplm`.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {"str": pa.string(), "bool | None": pa.bool_(), "int": pa.int64(), "int | None": pa.int64()}
        own = {**(metadata or {}), "settings": self.settings, "left_out": self.left_out}
        schema = pa.schema(
            [pa.field(column.name, types.get(str(column.type), pa.float64())) for column in fields(Finding)],
            metadata={b"hf_mplm": json.dumps(own, ensure_ascii=False).encode()},
        )
        table = pa.Table.from_pylist([asdict(finding) for finding in self.findings], schema=schema)
        with atomic_write(Path(path)) as file:
            pq.write_table(table, file, write_page_checksum=True)
        return Path(path)
