"""Representation sprachbunds: clusters of languages with their pivots, and the controls beside which they stand."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hf_mplm._lists import as_list
from hf_mplm.jobs.files import DamagedError, read_json, write_json
from hf_mplm.languages import branch, family_name, parse_code

from .clustering import (
    MOST_CLUSTERS,
    Linkage,
    Selection,
    Tree,
    bootstrap_labels,
    build_tree,
    ordered,
    select_num_clusters,
)
from .language_vectors import LanguageVectors


__all__ = ["SPRACHBUNDS_FILE", "By", "Sprachbunds", "cluster_languages", "pivot_of", "read_clusters"]

logger = logging.getLogger(__name__)

SPRACHBUNDS_FILE = "sprachbunds.json"
FORMAT = "hf-mplm-sprachbunds"
By = Literal["family", "branch", "script"]


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

    def save(self, folder: str | Path) -> None:
        """Write `sprachbunds.json`.

        Args:
            folder (`str` or `Path`): the folder.
        """
        selection = [{**asdict(row), "stability": _number(row.stability)} for row in self.selection]
        content = {
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
        write_json(Path(folder) / SPRACHBUNDS_FILE, content)

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


def cluster_languages(
    vectors: LanguageVectors,
    *,
    view: str | None = None,
    center: bool = True,
    linkage: Linkage = "average",
    num_clusters: int | Literal["auto"] = "auto",
    max_share: float = 0.6,
    min_size: int = 2,
    num_bootstraps: int = 20,
    seed: int = 42,
    random: int | None = None,
    by: By | None = None,
    clusters: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Sprachbunds, Tree]:
    """Find the languages that belong together (Fan et al., 2021, section 3.1), or a control.

    Args:
        vectors (`LanguageVectors`): the languages.
        view (`str`, *optional*): which view; may be left out where there is only one.
        center (`bool`, *optional*, defaults to `True`): whether the centre is taken off, which the paper does not.
        linkage (`str`, *optional*, defaults to `"average"`): see [`build_tree`].
        num_clusters (`int` or `"auto"`, *optional*, defaults to `"auto"`): how many. `auto` takes the number from 2 to
            16 that is most stable under bootstraps, among those within the bounds; of equal ones the smallest.
        max_share (`float`, *optional*, defaults to 0.6): most of the languages that a cluster may have, as a share.
        min_size (`int`, *optional*, defaults to 2): fewest languages of a cluster.
        num_bootstraps (`int`, *optional*, defaults to 20): of `auto` and of each language's stability.
        seed (`int`, *optional*, defaults to 42): of the bootstraps.
        random (`int`, *optional*): seed by which languages are drawn into clusters of the same sizes, as a control.
        by (`"family"`, `"branch"` or `"script"`, *optional*): one cluster for each of these instead, as a control.
        clusters (`Mapping[str, Sequence[str]]`, *optional*): clusters that are given.

    Returns:
        `tuple[Sprachbunds, Tree]`: the clusters, and the tree of all languages.

    Raises:
        ValueError: if there are too few languages, no number is within the bounds or can be judged, or several
            controls are asked for at once.
    """
    if sum(control is not None for control in (random, by, clusters)) > 1:
        raise ValueError("give one control: random, by, or clusters from a file")
    codes = vectors.languages
    tree = build_tree(vectors, view, center, linkage)
    settings = {
        "view": view or vectors.views[0],
        "center": center,
        "linkage": linkage,
        "num_clusters": num_clusters,
        "max_share": max_share,
        "min_size": min_size,
        "num_bootstraps": num_bootstraps,
        "seed": seed,
        "vectors": {key: vectors.config.get(key) for key in ("source", "model", "revision", "tokenizer")},
    }
    selection: list[Selection] = []
    left_out: list[str] = []
    drawn_codes: list[str] = codes
    drawn: dict[int, np.ndarray] = {}
    if by is not None or clusters is not None:
        labels, left_out = _given_labels(codes, clusters if clusters is not None else _groups(codes, by))
    else:
        wanted = range(2, min(MOST_CLUSTERS, len(codes) - 1) + 1) if num_clusters == "auto" else [int(num_clusters)]
        if num_clusters != "auto" and not 1 <= int(num_clusters) <= len(codes):
            raise ValueError(f"{num_clusters} clusters cannot be made of {len(codes)} languages")
        drawn_codes, drawn = bootstrap_labels(
            vectors, view, center, linkage, list(wanted), num_bootstraps=num_bootstraps, seed=seed
        )
        selection = select_num_clusters(tree, drawn, max_share=max_share, min_size=min_size)
        number = _choose(selection, max_share, min_size) if num_clusters == "auto" else int(num_clusters)
        labels = tree.cut(number)
        _warn_of_sizes(np.bincount(labels), max_share, min_size)
        if random is not None:
            labels = ordered(np.random.default_rng(random).permutation(labels))
            settings["random"] = random
    arm = "random" if random is not None else by or ("file" if clusters is not None else "cluster")
    cosines = vectors.cosine(view, center)
    groups = [np.flatnonzero(labels == number) for number in range(labels.max() + 1)]
    pivots = [pivot_of(cosines, group) for group in groups]
    stability: dict[str, float | None] = {}
    if arm == "cluster" and len(groups) in drawn:
        place = {code: column for column, code in enumerate(drawn_codes)}
        own = drawn[len(groups)]
        for pivot, group in zip(pivots, groups):
            for row in group:
                both = codes[row] in place and codes[pivot] in place
                same = own[:, place[codes[row]]] == own[:, place[codes[pivot]]] if both else None
                stability[codes[row]] = None if same is None else float(same.mean())
    means = {codes[row]: _mean_cosines(cosines[row], int(row), groups) for group in groups for row in group}
    found = Sprachbunds(
        [[codes[row] for row in sorted(group, key=lambda row: codes[row])] for group in groups],
        [codes[pivot] for pivot in pivots],
        means,
        stability,
        arm,
        settings,
        selection,
        left_out,
    )
    return found, tree


def pivot_of(cosines: np.ndarray, group: np.ndarray) -> int:
    """The language of the largest sum of cosines with the others of its cluster (Fan et al., 2021, section 5.1).

    Args:
        cosines (`np.ndarray`): of all languages. Shape: (languages, languages).
        group (`np.ndarray`): the rows of the cluster, in the order of the codes, which decides between equals.

    Returns:
        `int`: its row.
    """
    sums = cosines[np.ix_(group, group)].sum(axis=1) - np.diag(cosines)[group]
    # Sums that differ by rounding alone are equal.
    best = np.flatnonzero(sums >= sums.max() - 1e-12)[0]
    return int(group[best])


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


def _choose(selection: Sequence[Selection], max_share: float, min_size: int) -> int:
    judged = [row for row in selection if not np.isnan(row.stability)]
    if not judged:
        raise ValueError(
            "the number of clusters cannot be chosen: no bootstrap can be drawn, because fewer than three languages "
            "have several sentences; give --num_clusters K"
        )
    allowed = [row for row in judged if row.allowed]
    if not allowed:
        shown = "; ".join(
            f"{row.num_clusters}: largest {row.largest_share:.0%}, smallest {row.smallest}" for row in judged[:5]
        )
        raise ValueError(
            f"no number of clusters keeps every cluster between {min_size} languages and {max_share:.0%} of them "
            f"({shown}); center the vectors, take another view or linkage, widen --max_share and --min_size, or give "
            "--num_clusters K"
        )
    # Equal but for rounding, the smaller number is taken.
    return max(allowed, key=lambda row: (round(row.stability, 9), -row.num_clusters)).num_clusters


def _warn_of_sizes(sizes: np.ndarray, max_share: float, min_size: int) -> None:
    if sizes.max() > max_share * sizes.sum() or sizes.min() < min_size:
        logger.warning(
            "%d clusters have %s languages: the largest has more than %.0f %% of them, or the smallest fewer than %d; "
            "vectors that are not centred break apart like this",
            len(sizes),
            ", ".join(map(str, sizes)),
            100 * max_share,
            min_size,
        )


def _groups(codes: Sequence[str], by: str | None) -> dict[str, list[str]]:
    name_of = {"family": family_name, "branch": branch, "script": lambda code: parse_code(code).script}
    if by not in name_of:
        raise ValueError(f"languages cannot be grouped by {by!r}; needed is one of {', '.join(name_of)}")
    groups: dict[str, list[str]] = {}
    for code in codes:
        groups.setdefault(name_of[by](code), []).append(code)
    return groups


def _given_labels(codes: Sequence[str], clusters: Mapping[str, Sequence[str]]) -> tuple[np.ndarray, list[str]]:
    """The cluster of each language, -1 for none; the languages without one."""
    number_of = {code: number for number, own in enumerate(clusters.values()) for code in as_list(own)}
    raw = np.array([number_of.get(code, -1) for code in codes])
    if (raw < 0).all():
        raise ValueError(f"none of the {len(number_of)} languages of the clusters has a vector")
    strangers = sorted(set(number_of) - set(codes))
    if strangers:
        logger.warning("%d languages of the clusters have no vector: %s", len(strangers), ", ".join(strangers[:10]))
    labels = np.full(len(codes), -1)
    labels[raw >= 0] = ordered(raw[raw >= 0])
    left_out = [code for code, label in zip(codes, labels) if label < 0]
    if left_out:
        logger.warning("%d languages are in none of the clusters: %s", len(left_out), ", ".join(left_out[:10]))
    return labels, left_out


def _mean_cosines(cosines: np.ndarray, row: int, groups: Sequence[np.ndarray]) -> list[float | None]:
    means: list[float | None] = []
    for group in groups:
        others = group[group != row]
        means.append(float(cosines[others].mean()) if len(others) else None)
    return means


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
