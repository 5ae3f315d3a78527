"""Representation sprachbunds on disk: clusters of languages, with their pivots and what is known of each language."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm.jobs.files import DamagedError, read_json, write_json
from hf_mplm.languages import parse_code

from .tree import Selection


__all__ = ["SPRACHBUNDS_FILE", "Sprachbunds", "read_clusters"]

SPRACHBUNDS_FILE = "sprachbunds.json"
FORMAT = "hf-mplm-sprachbunds"


@dataclass
class Sprachbunds:
    """Clusters of languages.

    Args:
        clusters (`list[list[str]]`): the codes of each, sorted; the largest cluster first.
        pivots (`list[str]`): the pivot of each.
        cosines (`dict[str, list[float | None]]`): language to its mean cosine with the languages of each cluster,
            itself left out; `None` for a cluster that has no other.
        stability (`dict[str, float | None]`): language to the share of bootstraps in which it is in its pivot's
            cluster; `None` where no bootstrap can tell.
        arm (`str`): how they were made: `cluster`, `random`, `family`, `branch`, `script` or `file`.
        settings (`dict[str, Any]`): view, centring, linkage and the like, and what the vectors were made of.
        selection (`list[Selection]`): what each number of clusters gives, where it was looked at.
        left_out (`list[str]`): languages that are in no cluster.
    """

    clusters: list[list[str]]
    pivots: list[str]
    cosines: dict[str, list[float | None]] = field(default_factory=dict)
    stability: dict[str, float | None] = field(default_factory=dict)
    arm: str = "cluster"
    settings: dict[str, Any] = field(default_factory=dict)
    selection: list[Selection] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def cluster_of(self) -> dict[str, int]:
        """Language to the number of its cluster, from 0."""
        return {code: number for number, codes in enumerate(self.clusters) for code in codes}

    def content(self) -> dict[str, Any]:
        """What `sprachbunds.json` says of the clusters."""
        selection = [{**asdict(row), "stability": _number(row.stability)} for row in self.selection]
        return {
            "format": FORMAT,
            "arm": self.arm,
            "clusters": [
                {"id": number, "pivot": pivot, "size": len(codes), "languages": codes}
                for number, (codes, pivot) in enumerate(zip(self.clusters, self.pivots), start=1)
            ],
            "languages": {
                code: {
                    "cluster": number + 1,
                    "mean_cosines": self.cosines.get(code),
                    "stability": self.stability.get(code),
                }
                for code, number in sorted(self.cluster_of.items())
            },
            "settings": self.settings,
            "selection": selection,
            "left_out": self.left_out,
        }

    def save(self, folder: str | Path) -> None:
        """Write `sprachbunds.json`.

        Args:
            folder (`str` or `Path`): the folder.
        """
        write_json(Path(folder) / SPRACHBUNDS_FILE, self.content())

    @classmethod
    def load(cls, folder: str | Path) -> Sprachbunds:
        """Read `sprachbunds.json`.

        Raises:
            FileNotFoundError: if there is none.
            DamagedError: if it cannot be read.
        """
        path = Path(folder) / SPRACHBUNDS_FILE
        content = read_json(path)
        if content is None:
            raise FileNotFoundError(f"there is no {path}; make it with: hf-mplm sprachbund cluster --output {folder}")
        try:
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}, not {FORMAT!r}")
            return cls(
                [list(cluster["languages"]) for cluster in content["clusters"]],
                [cluster["pivot"] for cluster in content["clusters"]],
                {code: entry["mean_cosines"] for code, entry in content["languages"].items()},
                {code: entry["stability"] for code, entry in content["languages"].items()},
                content["arm"],
                content["settings"],
                [
                    Selection(**{**row, "stability": np.nan if row["stability"] is None else row["stability"]})
                    for row in content["selection"]
                ],
                content["left_out"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(path, f"it is no list of clusters ({error})") from error


def read_clusters(path: str | Path) -> dict[str, list[str]]:
    """Read clusters from JSON: a `sprachbunds.json`, `{name: [codes]}` or `[[codes]]`.

    Args:
        path (`str` or `Path`): the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is something else, or a language is in two clusters.
    """
    content = read_json(Path(path))
    if content is None:
        raise FileNotFoundError(f"there is no file {path}")
    if isinstance(content, dict) and isinstance(content.get("clusters"), list):
        content = [
            cluster.get("languages") if isinstance(cluster, dict) else cluster for cluster in content["clusters"]
        ]
    if isinstance(content, list):
        content = {str(number): codes for number, codes in enumerate(content, start=1)}
    whole = isinstance(content, dict) and all(
        isinstance(codes, list) and all(isinstance(code, str) for code in codes) for codes in content.values()
    )
    if not whole:
        raise ValueError(f'{path}: needed are clusters as {{"name": ["swh_Latn", ...], ...}}')
    clusters = {name: [parse_code(code).code for code in codes] for name, codes in content.items() if codes}
    every = [code for codes in clusters.values() for code in codes]
    twice = sorted({code for code in every if every.count(code) > 1})
    if twice:
        raise ValueError(f"{path}: {', '.join(twice[:5])} is in two clusters")
    return clusters


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
