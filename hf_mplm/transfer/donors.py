from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoConfig, AutoModelForMaskedLM

from hf_mplm._lists import as_list
from hf_mplm.evaluation.callback import PRIMARY
from hf_mplm.evaluation.results import ResultRow
from hf_mplm.languages import parse_code


__all__ = ["Donor", "Measured", "measured_transfer", "rank_donors"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Donor:
    """A source language for a target.

    Args:
        language (`str`): Code of the source language.
        cosine (`float`, *optional*): Cosine of the two languages' embeddings in a LangSAMP model; `None` without one.
        score (`float`, *optional*): Mean over tasks of what the target reached from this source; `None` if it was not
            measured.
        n_tasks (`int`): Tasks in that mean, one at two settings or layers counting twice.
        layers (`tuple[int, ...]`): Layers at which they were measured; -1 where no single one was chosen.
    """

    language: str
    cosine: float | None
    score: float | None
    n_tasks: int = 0
    layers: tuple[int, ...] = ()


class Measured(NamedTuple):
    """What a target language reached from a source; fields as in [`Donor`]."""

    score: float
    n_tasks: int
    layers: tuple[int, ...]


def rank_donors(
    target: str,
    among: str | Sequence[str],
    *,
    model: str | Path | None = None,
    results: Sequence[ResultRow] = (),
    trust_remote_code: bool = False,
) -> list[Donor]:
    """Rank source languages for a target language, as LangSAMP chooses donors (section 5.4).

    Languages that were measured come first, by their score; the others follow, by the cosine of the embeddings. What
    was measured says more than what the embeddings suggest.

    Args:
        target (`str`): The language to transfer to.
        among (`str` or `Sequence[str]`): The languages to choose from.
        model (`str` or `Path`, *optional*): A LangSAMP checkpoint, whose language embeddings are compared.
        results (`Sequence[ResultRow]`, *optional*): Zero-shot or probe results with several source languages.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with the model may run.

    Returns:
        `list[Donor]`: The best first.

    Raises:
        ValueError: If neither a model nor results are given, a language is not known, or the model has no language
            embeddings.
    """
    if model is None and not results:
        raise ValueError("give a LangSAMP model, results of `hf-mplm evaluate --source_languages A,B,C`, or both")
    code = parse_code(target).code
    codes = [donor for donor in dict.fromkeys(parse_code(donor).code for donor in as_list(among)) if donor != code]
    if not codes:
        raise ValueError(f"there is no language to choose from but {code} itself; give others with --among")
    cosines = {} if model is None else _cosines(model, code, codes, trust_remote_code)
    scores = measured_transfer(results, code)
    donors = [
        Donor(donor, cosines.get(donor), *scores.get(donor, (None,)))
        for donor in codes
        if donor in cosines or donor in scores
    ]
    unknown = [donor for donor in codes if donor not in cosines and donor not in scores]
    if donors and unknown:
        logger.warning(
            "left out %s: neither measured as a source for %s nor a language of the model", ", ".join(unknown), code
        )
    if not donors:
        raise ValueError(f"nothing is known of {', '.join(codes)} as sources for {code}")
    return sorted(donors, key=lambda donor: (donor.score is None, -(donor.score or 0.0), -(donor.cosine or 0.0)))


def measured_transfer(results: Sequence[ResultRow], target: str) -> dict[str, Measured]:
    """Average what a target language reached from each source, over the main metrics of the tasks.

    Only tasks that were measured from every source, at the same layer, enter, because tasks differ in how high their
    numbers are.

    Args:
        results (`Sequence[ResultRow]`): Results.
        target (`str`): The language to transfer to.

    Returns:
        `dict[str, Measured]`: Source language to the mean, the number of tasks in it and their layers.
    """
    values: dict[tuple[str, str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    metrics: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for row in results:
        if row.language == target and row.source_language not in ("", target):
            metrics[row.task, row.setting, row.layer].add(row.metric)
    for row in results:
        key = (row.task, row.setting, row.layer)
        main = next((metric for metric in PRIMARY if metric in metrics[key]), None)
        if row.language == target and row.source_language not in ("", target) and row.metric == main:
            values[key][row.source_language].append(row.value)
    sources = {source for by_source in values.values() for source in by_source}
    shared = {key: by_source for key, by_source in values.items() if set(by_source) == sources}
    if not shared:
        return {}
    layers = tuple(sorted({layer for _, _, layer in shared}))

    def mean(source: str) -> float:
        return sum(sum(found[source]) / len(found[source]) for found in shared.values()) / len(shared)

    return {source: Measured(mean(source), len(shared), layers) for source in sorted(sources)}


def _cosines(model: str | Path, target: str, among: Sequence[str], trust_remote_code: bool) -> dict[str, float]:
    config = AutoConfig.from_pretrained(model, trust_remote_code=trust_remote_code)
    if not getattr(config, "languages", None):
        raise ValueError(f"{model} has no language embeddings; it is a {config.model_type}, not a LangSAMP model")
    loaded = AutoModelForMaskedLM.from_pretrained(model, dtype=torch.float32, trust_remote_code=trust_remote_code)
    known = set(config.languages)
    nearest = loaded.nearest_languages(target, among=[code for code in among if code.partition("_")[0] in known])
    return dict(nearest)
