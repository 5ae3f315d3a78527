"""The whole analysis: every view of the vectors, and every set of clusters, against what linguistics knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hf_mplm._lists import as_codes
from hf_mplm.languages import family, lineage, parse_code, resource
from hf_mplm.languages.linguistic_similarities import (
    genealogical_similarity,
    geographical_similarity,
    same_script,
    typological_similarity,
)
from hf_mplm.languages.typology import DOMAINS

from ..clusters.partitions import PartitionAgreement, compare_partitions
from ..vectors.language_vectors import LanguageVectors
from ..vectors.sources import CHARACTERS
from .agreement import majority_share, nearest_agreement, same_label
from .findings import Analysis, Finding
from .lexical_similarity import lexical_agreement
from .mantel import MantelTest, mantel_tests
from .word_order import WORD_ORDERS, word_order


__all__ = ["analyse", "language_labels"]


def analyse(
    vectors: LanguageVectors,
    clusters: Mapping[str, Mapping[str, str]] | None = None,
    *,
    against: Mapping[str, Mapping[str, str]] | None = None,
    views: str | Sequence[str] | None = None,
    depth: int = 3,
    permutations: int = 999,
    label_permutations: int = 1000,
    seed: int = 0,
) -> Analysis:
    """Hold vectors of languages, and clusters of them, against families, scripts, places, grammar, sounds and words.

    Args:
        vectors (`LanguageVectors`): with all views and controls that are to stand side by side; its view `characters`
            is what partial correlations take off besides the script.
        clusters (`Mapping[str, Mapping[str, str]]`, *optional*): sets of clusters by name: code to cluster.
        against (`Mapping[str, Mapping[str, str]]`, *optional*): other divisions that these are compared with, such as
            Table 1.
        views (`str` or `Sequence[str]`, *optional*): which; all by default.
        depth (`int`, *optional*, defaults to 3): at which lineages are cut into branches.
        permutations (`int`, *optional*, defaults to 999): of the languages, for Mantel tests.
        label_permutations (`int`, *optional*, defaults to 1,000): of the labels, for clusters.
        seed (`int`, *optional*, defaults to 0): of the permutations.

    Returns:
        [`Analysis`]: its findings.

    Raises:
        ValueError: for fewer than three languages, no view that differs between languages, an unknown view, or a depth
            below 1.
    """
    if depth < 1:
        raise ValueError(f"lineages are cut at depth 1 (the family) or deeper, not at {depth}")
    codes = vectors.languages
    if len(codes) < 3:
        raise ValueError(f"an analysis needs at least three languages; there are {len(codes)}: {', '.join(codes)}")
    analysis = Analysis(settings={"depth": depth, "permutations": permutations, "seed": seed})
    asked = list(as_codes(views) or vectors.views)
    similarities: dict[tuple[str, bool], np.ndarray] = {}
    for view in dict.fromkeys([*asked, *(one for one in vectors.views if one == CHARACTERS)]):
        try:
            for center in (True, False):
                # Single precision is more than their errors warrant, and two thousand languages fit in memory.
                similarities[view, center] = vectors.cosine(view, center).astype(np.float32)
        except ValueError as error:
            if view not in vectors.views:
                raise
            analysis.left_out[view] = str(error)
    characters = similarities.get((CHARACTERS, True))
    similarities = {key: similarity for key, similarity in similarities.items() if key[0] in asked}
    if not similarities:
        raise ValueError("; ".join(analysis.left_out.values()))
    labels = language_labels(codes, depth)
    questions = _questions(codes, labels)
    for (view, centred), similarity in similarities.items():
        analysis.findings += _neighbours(view, centred, codes, similarity, questions)
        analysis.findings.append(_lexical(view, centred, codes, similarity, seed))
    analysis.findings += _mantel(codes, similarities, characters, permutations, seed)
    others = {what: [other.get(code) for code in codes] for what, other in (against or {}).items()}
    for name, members in (clusters or {}).items():
        own = [members.get(code) for code in codes]
        analysis.findings += _clusters(name, own, codes, {**labels, **others}, label_permutations, seed)
    return analysis


def language_labels(codes: Sequence[str], depth: int = 3) -> dict[str, list[str | None]]:
    """What is known of each language, as one label a subject: family, branch, script, head or tail.

    Args:
        codes (`Sequence[str]`): language-script codes.
        depth (`int`, *optional*, defaults to 3): at which lineages are cut into branches.

    Returns:
        `dict[str, list[str | None]]`: `None` where it is unknown.
    """

    def known(label: str) -> str | None:
        return None if label == "unknown" else label

    return {
        "family": [known(family(code)) for code in codes],
        # By the whole way down, for a name may stand at two places of the tree.
        "branch": [" > ".join(lineage(code)[:depth]) or None for code in codes],
        "script": [parse_code(code).script for code in codes],
        "head or tail": [resource(code) for code in codes],
    }


def _lexical(view: str, centred: bool, codes: Sequence[str], similarity: np.ndarray, seed: int) -> Finding:
    found = lexical_agreement(codes, similarity, seed=seed)
    return Finding.over(
        codes,
        [code for code in codes if code not in found.languages],
        view=view,
        centred=centred,
        measure="lexical similarity",
        of="Table 8",
        among=f"{found.pairs} of 15 pairs",
        statistic="pearson",
        value=found.pearson,
        low=found.low,
        high=found.high,
    )


def _questions(
    codes: Sequence[str], labels: Mapping[str, list[str | None]]
) -> list[tuple[str, list[str | None], str, np.ndarray | None]]:
    """What is asked of a language's nearest one: the subject, its labels, and which languages may be the nearest."""
    another_language = ~same_label([parse_code(code).language for code in codes])
    another_script = ~same_label(labels["script"])
    another_family = another_language & ~same_label(labels["family"])
    # Of a language without a family it is not known which languages are of another one.
    without_family = np.array([one is None for one in labels["family"]])
    another_family[without_family] = False
    another_family[:, without_family] = False
    whole = {"all": None, "another script": another_script, "another language": another_language}
    questions: list[tuple[str, list[str | None], str, np.ndarray | None]] = [
        (of, own, among, allowed)
        for of, own in labels.items()
        for among, allowed in whole.items()
        if (of, among) != ("script", "another script")
    ]
    for of in WORD_ORDERS:
        own = word_order(codes, of)
        questions += [(of, own, "another language", another_language), (of, own, "another family", another_family)]
    return questions


def _neighbours(
    view: str,
    centred: bool,
    codes: Sequence[str],
    similarity: np.ndarray,
    questions: Sequence[tuple[str, list[str | None], str, np.ndarray | None]],
) -> list[Finding]:
    findings = []
    for of, own, among, allowed in questions:
        found = nearest_agreement(similarity, own, allowed)
        majority = majority_share([label for label, used in zip(own, found.used) if used])
        low, high = found.interval()
        findings.append(
            Finding.over(
                codes,
                [code for code, used in zip(codes, found.used) if not used],
                view=view,
                centred=centred,
                measure="nearest neighbour",
                of=of,
                among=among,
                statistic="share",
                value=found.value,
                baseline=majority if of in WORD_ORDERS else found.chance,
                low=low,
                high=high,
            )
        )
    return findings


def _mantel(
    codes: Sequence[str],
    similarities: Mapping[tuple[str, bool], np.ndarray],
    characters: np.ndarray | None,
    permutations: int,
    seed: int,
) -> list[Finding]:
    script = same_script(codes)
    findings = []
    for of in ("genealogy", "geography", *DOMAINS, *([CHARACTERS] if characters is not None else [])):
        target = _target(of, codes) if of != CHARACTERS or characters is None else characters
        known = ~np.isnan(target)
        np.fill_diagonal(known, False)
        used = known.any(axis=1)
        lacking = [code for code, one in zip(codes, used) if not one]
        # Characters have nothing beside themselves, neither as what is asked of nor as what is given.
        for own in (True, False):
            keys = [key for key in similarities if (key[0] == CHARACTERS) == own and not (own and of == CHARACTERS)]
            given = {"script": script}
            if characters is not None and not own and of != CHARACTERS:
                given[CHARACTERS] = characters
            tests: list[tuple[tuple[str, bool], str, str, MantelTest]] = []
            if used.sum() >= 3 and keys:
                # Two thousand languages of which all are known need no copies.
                square = ... if used.all() else np.ix_(used, used)
                plain, partial = mantel_tests(
                    [similarities[key][square] for key in keys],
                    target[square],
                    [matrix[square] for matrix in given.values()],
                    permutations=permutations,
                    seed=seed,
                )
            else:
                plain = partial = [MantelTest(float("nan"), float("nan"), 0)] * len(keys)
            tests += [(key, "all", "spearman", test) for key, test in zip(keys, plain)]
            tests += [(key, " and ".join(given), "partial spearman", test) for key, test in zip(keys, partial)]
            for (view, centred), among, statistic, test in tests:
                findings.append(
                    Finding.over(
                        codes,
                        lacking,
                        view=view,
                        centred=centred,
                        measure="mantel",
                        of=of,
                        among=among,
                        statistic=statistic,
                        value=test.correlation,
                        baseline=0.0,
                        p=test.p,
                        permutations=permutations,
                    )
                )
    return findings


def _target(of: str, codes: Sequence[str]) -> np.ndarray:
    if of == "genealogy":
        return genealogical_similarity(codes)
    return geographical_similarity(codes) if of == "geography" else typological_similarity(codes, of)


def _clusters(
    name: str,
    own: Sequence[str | None],
    codes: Sequence[str],
    divisions: Mapping[str, Sequence[str | None]],
    permutations: int,
    seed: int,
) -> list[Finding]:
    findings = []
    for of, labels in divisions.items():
        both = [(one, label) for one, label in zip(own, labels) if one is not None and label is not None]
        lacking = [code for code, one, label in zip(codes, own, labels) if one is None or label is None]
        nothing = PartitionAgreement(*[float("nan")] * 5)
        groups, names = [one for one, _ in both], [label for _, label in both]
        found = compare_partitions(groups, names, permutations, seed) if both else nothing
        for statistic, value, baseline, p in (
            ("ari", found.ari, 0.0, found.ari_p),
            ("purity", found.purity, found.purity_chance, found.purity_p),
        ):
            findings.append(
                Finding.over(
                    codes,
                    lacking,
                    view=name,
                    centred=None,
                    measure="clusters",
                    of=of,
                    among="all",
                    statistic=statistic,
                    value=value,
                    baseline=baseline,
                    p=p,
                    permutations=permutations,
                )
            )
    return findings
