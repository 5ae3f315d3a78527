"""Map the words of many languages into the space of one, which does not move."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from hf_mplm.evaluation.files.word_pairs import pair_digest

from .dictionaries import identical_pairs, locate_pairs, numeral_pairs
from .embeddings import StaticEmbeddings
from .mapping import METHODS, Mapping, fit_mapping, normalise_vectors
from .neighbours import Similarities
from .self_learning import SelfLearning, initial_pairs, self_learn
from .word_table import WordTable


__all__ = ["MODES", "LanguageMapping", "MappingSettings", "map_to_hub"]

logger = logging.getLogger(__name__)

MODES = ("supervised", "semi-supervised", "identical", "numerals", "unsupervised")


@dataclass(frozen=True)
class MappingSettings:
    """How languages are mapped.

    Args:
        mode (`str`, *optional*, defaults to `"supervised"`): where the pairs come from. All but `"supervised"` learn
            further by themselves: from a given dictionary (`"semi-supervised"`), from words that both languages
            spell alike (`"identical"`), from numerals, or from nothing (`"unsupervised"`).
        method (`str`, *optional*, defaults to `"orthogonal"`): or `"multi-step"`, which moves the hub too and
            therefore takes one language only.
        exponents (`tuple[float, float]`, *optional*, defaults to `(0.5, 0.5)`): of multi-step.
        ridge (`float`, *optional*, defaults to 0): of multi-step.
        dimensions (`int`, *optional*): of multi-step.
        held_out (`float`, *optional*, defaults to 0.1): share of the pairs by which is judged whether mapping gains.
        self_learning (`SelfLearning`): settings of what is learnt further.
    """

    mode: str = "supervised"
    method: str = "orthogonal"
    exponents: tuple[float, float] = (0.5, 0.5)
    ridge: float = 0.0
    dimensions: int | None = None
    held_out: float = 0.1
    self_learning: SelfLearning = field(default_factory=SelfLearning)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"there is no mode {self.mode!r}; choose of {', '.join(MODES)}")
        if self.method not in METHODS:
            raise ValueError(f"there is no method {self.method!r}; choose of {', '.join(METHODS)}")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; needed is a share from 0 up to, not including, 1")


@dataclass(frozen=True)
class LanguageMapping:
    """What became of one language.

    Args:
        language (`str`): its code.
        mapped (`bool`): whether mapping gained, so that it was done.
        pairs (`int`): pairs that the map was fitted on.
        judged_by (`str`): `"held-out pairs"` (share of which the translation is nearest by CSLS) or `"mutual
            neighbours"` (their mean cosine).
        before (`float`): that number for normalised vectors.
        after (`float`): the same for mapped ones.
        dictionary_pairs (`int`): pairs of the dictionary that was given.
    """

    language: str
    mapped: bool
    pairs: int
    judged_by: str
    before: float
    after: float
    dictionary_pairs: int


def map_to_hub(
    static: StaticEmbeddings,
    hub_language: str,
    dictionaries: MappingOf[str, Sequence[tuple[str, str]]] | None = None,
    settings: MappingSettings | None = None,
) -> tuple[StaticEmbeddings, list[LanguageMapping]]:
    """Bring every language into the space of the hub.

    All vectors are normalised; the hub's are then left as they are, bit for bit, so that all languages share one
    space. Whether a language gains is judged by a tenth of its pairs, which the map that is judged has not seen; the
    map that is used is fitted on all of them. A language that does not gain stays normalised but unmapped.

    Args:
        static (`StaticEmbeddings`): vectors of the hub and of other languages.
        hub_language (`str`): the code of the hub.
        dictionaries (`Mapping[str, Sequence[tuple[str, str]]]`, *optional*): by language, pairs of a word of it and a
            word of the hub.
        settings (`MappingSettings`, *optional*): how.

    Returns:
        `tuple[StaticEmbeddings, list[LanguageMapping]]`: the vectors, and what became of each language.

    Raises:
        ValueError: if a language has no pair to begin with, naming words of both sides.
    """
    settings = settings or MappingSettings()
    hub = static.table(hub_language)
    others = [table for table in static.tables.values() if table is not hub]
    if not others:
        raise ValueError(f"there is no language to map beside the hub {hub.language}")
    if settings.method == "multi-step" and len(others) > 1:
        raise ValueError(
            f"multi-step mapping moves the hub too, so that {len(others)} languages would end in as many spaces; give "
            "one language, or --method orthogonal"
        )
    target = normalise_vectors(torch.from_numpy(hub.vectors))
    tables, results = [hub.with_vectors(target.numpy())], []
    for table in others:
        source = normalise_vectors(torch.from_numpy(table.vectors))
        given = list((dictionaries or {}).get(table.language, ()))
        first = _first_pairs(table, hub, source, target, given, settings)
        result, mapping = _map_language(table, source, target, first, settings, len(given))
        results.append(result)
        mapped = source @ mapping.source if result.mapped else source
        tables.append(table.with_vectors(mapped.numpy()))
        if result.mapped and mapping.target is not None:
            tables[0] = hub.with_vectors((target @ mapping.target).numpy())
        logger.info("%s", describe(result, hub.language))
    described = {"hub": hub.language, **asdict(settings), "languages": [asdict(result) for result in results]}
    # Digests, by which lexicon induction refuses to be judged by these pairs, and no copy of the dictionary.
    described["seed_pairs"] = {
        code: " ".join(sorted({pair_digest(*pair) for pair in pairs})) for code, pairs in (dictionaries or {}).items()
    }
    return StaticEmbeddings(tables, {**static.config, "mapping": described}), results


def describe(result: LanguageMapping, hub: str) -> str:
    """One line about one language."""
    fitted = f"{result.pairs:,} pairs; {result.judged_by} {result.before:.3f} -> {result.after:.3f}"
    if result.mapped:
        return f"{result.language} -> {hub}: mapped ({fitted})"
    return f"{result.language} -> {hub}: NOT mapped, because it does not gain ({fitted}); it stays normalised"


def _map_language(
    table: WordTable, source: Tensor, target: Tensor, first: Tensor, settings: MappingSettings, given: int
) -> tuple[LanguageMapping, Mapping]:
    from_dictionary = settings.mode in ("supervised", "semi-supervised")
    kept, held_out = _hold_out(first, settings.held_out) if from_dictionary else (first, first[:0])
    neighbours = settings.self_learning.csls_neighbours
    trial, pairs = _fit(source, target, kept, settings)
    if len(held_out):
        judged_by = "held-out pairs"
        before = _precision(source, target, held_out, neighbours)
        after = _precision(*_apply(trial, source, target), held_out, neighbours)
        mapping, pairs = _fit(source, target, first, settings)
    else:
        judged_by = "mutual neighbours"
        before = _mutual_cosine(source, target, settings)
        after = _mutual_cosine(*_apply(trial, source, target), settings)
        mapping = trial
    result = LanguageMapping(table.language, after > before, len(pairs), judged_by, before, after, given)
    return result, mapping


def _fit(source: Tensor, target: Tensor, pairs: Tensor, settings: MappingSettings) -> tuple[Mapping, Tensor]:
    if settings.mode != "supervised":
        pairs = self_learn(source, target, pairs, settings.self_learning).pairs
    rows, columns = source[pairs[:, 0]], target[pairs[:, 1]]
    return fit_mapping(
        rows,
        columns,
        settings.method,
        exponents=settings.exponents,
        ridge=settings.ridge,
        dimensions=settings.dimensions,
    ), pairs


def _apply(mapping: Mapping, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return source @ mapping.source, target if mapping.target is None else target @ mapping.target


def _first_pairs(
    table: WordTable,
    hub: WordTable,
    source: Tensor,
    target: Tensor,
    given: list[tuple[str, str]],
    settings: MappingSettings,
) -> Tensor:
    both = f"{table.language} and {hub.language}"
    ours, theirs = _shown(table.words), _shown(hub.words)
    if settings.mode == "unsupervised":
        return initial_pairs(source, target, settings.self_learning)
    if settings.mode in ("identical", "numerals"):
        identical = settings.mode == "identical"
        pairs = identical_pairs(table, hub) if identical else numeral_pairs(table, hub)
        if not len(pairs):
            raise ValueError(
                f"{both} have no {'word' if identical else 'numeral'} in common ({ours} ...; {theirs} ...); give a "
                "dictionary, or --mode unsupervised"
            )
        return pairs
    if not given:
        raise ValueError(
            f"there is no dictionary of {both}, which --mode {settings.mode} needs; give one with --dictionary, or "
            "choose another --mode"
        )
    pairs, coverage = locate_pairs(given, table, hub)
    if not len(pairs):
        raise ValueError(
            f"none of the {coverage.pairs:,} pairs of {both} has both its words among the vectors: the dictionary has "
            f"{_shown(coverage.unknown_source)} and {_shown(coverage.unknown_target)}, the vectors {ours} and "
            f"{theirs}. Is it the case, the script, or the direction?"
        )
    return pairs


def _shown(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words[:3])) or "no others"


def _hold_out(pairs: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Split by a hash of the source word's place, so that no source word stands on both sides."""
    hashes = [
        int.from_bytes(hashlib.blake2b(str(int(row)).encode(), digest_size=8).digest(), "big") for row in pairs[:, 0]
    ]
    chosen = torch.tensor([value / 2**64 < share for value in hashes], dtype=torch.bool)
    if not share or chosen.all() or not chosen.any():
        return pairs, pairs[:0]
    return pairs[~chosen], pairs[chosen]


def _precision(source: Tensor, target: Tensor, pairs: Tensor, neighbours: int) -> float:
    """Share of the held-out source words whose nearest target word, by CSLS over all, is a translation."""
    source, target = _unit(source), _unit(target)
    queries = pairs[:, 0].unique()
    # The penalty of a target word is what it has with all source words, of which the frequent ones serve.
    frequent = source[: max(20_000, neighbours)]
    penalty = torch.cat(
        [
            (block @ frequent.T).topk(min(neighbours, len(frequent)), dim=1).values.mean(1)
            for block in target.split(4096)
        ]
    )
    gold: dict[int, set[int]] = {}
    for row, column in pairs.tolist():
        gold.setdefault(row, set()).add(column)
    found = (2 * source[queries] @ target.T - penalty).argmax(dim=1).tolist()
    right = sum(column in gold[row] for row, column in zip(queries.tolist(), found))
    return right / len(queries)


def _mutual_cosine(source: Tensor, target: Tensor, settings: MappingSettings) -> float:
    size = settings.self_learning.vocabulary_cutoff
    source, target = _unit(source[:size]), _unit(target[:size])
    matches = Similarities(source, target, settings.self_learning.csls_neighbours).match()
    mutual = matches.backward[matches.forward] == torch.arange(len(matches.forward))
    if not mutual.any():
        return 0.0
    return float((source[mutual] * target[matches.forward[mutual]]).sum(dim=1).mean())


def _unit(vectors: Tensor) -> Tensor:
    return vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min(1e-12)
