"""Map the words of many languages into the space of one, which does not move."""

from __future__ import annotations

import logging
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from hf_mplm.evaluation.files.word_pairs import pair_digest
from hf_mplm.jobs.digests import listed_files, write_digests
from hf_mplm.jobs.files import write_json

from .embeddings import StaticEmbeddings
from .first_dictionary import (
    FROM_DICTIONARY,
    MODES,
    FirstDictionary,
    first_dictionaries,
    refuse_held_out,
    say_rest,
)
from .judging import held_out_precision, mutual_csls, mutual_neighbours
from .mapping import METHODS, Mapping, apply_map, choose_device, fit_mapping, normalise_vectors
from .self_learning import SelfLearning, initial_pairs, self_learn
from .word_table import WordTable


__all__ = [
    "MAPPING_FILE",
    "MODES",
    "LanguageMapping",
    "MappingSettings",
    "describe",
    "hub_table",
    "map_to_hub",
    "save_mapped",
]

MAPPING_FILE = "mapping.json"

logger = logging.getLogger(__name__)


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
        held_out (`float`, *optional*, defaults to 0.1): share of the pairs by which is judged whether mapping gains;
            0 judges by mutual neighbours.
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
        if self.ridge < 0:
            raise ValueError(f"ridge is {self.ridge}; needed is a share of the mean eigenvalue, from 0 up")
        for name, value in (("ridge", self.ridge or None), ("dimensions", self.dimensions)):
            if value is not None and self.method != "multi-step":
                raise ValueError(
                    f"{name} is {value}, which --method {self.method} does not have; it needs --method multi-step"
                )
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; needed is a share from 0 up to, not including, 1")


@dataclass(frozen=True)
class LanguageMapping:
    """What became of one language.

    Args:
        language (`str`): its code.
        mapped (`bool`): whether mapping gained, so that it was done.
        mode (`str`): where the pairs came from.
        method (`str`): how the map was fitted.
        pairs (`int`): pairs that it was fitted on.
        iterations (`int`): those of self-learning; 0 without.
        judged_by (`str`): `"held-out words"` (share of those whose translation is nearest by CSLS) or `"mutual
            neighbours"` (their mean CSLS).
        judged_on (`int`): how many of these there were.
        before (`float`): that number for normalised vectors.
        after (`float`): the same for mapped ones.
        gain (`float`): the difference.
        dictionary_pairs (`int`): pairs of the dictionary that was given.
        covered_pairs (`int`): those of which both words have vectors.
    """

    language: str
    mapped: bool
    mode: str
    method: str
    pairs: int
    iterations: int
    judged_by: str
    judged_on: int
    before: float
    after: float
    gain: float
    dictionary_pairs: int
    covered_pairs: int


def map_to_hub(
    static: StaticEmbeddings,
    hub_language: str,
    dictionaries: MappingOf[str, Sequence[tuple[str, str]]] | None = None,
    settings: MappingSettings | None = None,
    *,
    device: str | torch.device | None = None,
    overwrite: bool = False,
) -> tuple[StaticEmbeddings, list[LanguageMapping]]:
    """Bring every language into the space of the hub.

    All vectors are normalised; the hub's are then left as they are, bit for bit, so that all languages share one
    space. Whether a language gains is judged by a tenth of its pairs, which the map that is judged has not seen
    (supervised, by as many tenths in turn as have 500 words together, where there are so many); the map that is used
    is fitted on all of them, or where it learns by itself goes on from the judged one's dictionary.
    A language that does not gain stays normalised but unmapped.

    Args:
        static (`StaticEmbeddings`): vectors of the hub and of other languages.
        hub_language (`str`): the code of the hub.
        dictionaries (`Mapping[str, Sequence[tuple[str, str]]]`, *optional*): by language, pairs of a word of it and a
            word of the hub. Modes that need none are judged by all of it.
        settings (`MappingSettings`, *optional*): how.
        device (`str` or `torch.device`, *optional*): CUDA where there is one, otherwise the CPU.
        overwrite (`bool`, *optional*, defaults to `False`): write into the vectors of `static`, which are then no
            longer what they were, rather than into copies. At 200,000 words of 768 dimensions a side less than 1 GiB
            is then needed beside them.

    Returns:
        `tuple[StaticEmbeddings, list[LanguageMapping]]`: the vectors, and what became of each language. The
        configuration's `mapping` says the same, with digests of the dictionaries' pairs, see
        [`dictionaries.seed_overlap`].

    Raises:
        ValueError: if there are no vectors of the hub or of any other language, or a language has no pair to begin
            with, naming words of both sides. Nothing has been computed by then.
    """
    settings, dictionaries = settings or MappingSettings(), dictionaries or {}
    place = choose_device(device)
    hub = hub_table(static, hub_language)
    others = [table for table in static.tables.values() if table is not hub]
    _refuse(hub, others, dictionaries, settings)
    firsts = first_dictionaries(others, hub, dictionaries, settings.mode, settings.held_out)
    if settings.method == "multi-step" and settings.mode == "supervised" and not settings.ridge:
        refuse_held_out(firsts[0], others[0].language, static.dimension)
    target = _normalised(hub, place, overwrite)
    tables, results = [hub.with_vectors(target.cpu().numpy())], []
    for number, (table, first) in enumerate(zip(others, firsts), start=1):
        logger.info("mapping %s onto %s (%d of %d)", table.language, hub.language, number, len(others))
        source = _normalised(table, place, overwrite)
        if settings.mode == "unsupervised":
            first = first._replace(pairs=initial_pairs(source, target, settings.self_learning))
        result, mapping = _map_language(table.language, source, target, first, settings)
        results.append(result)
        if result.mapped and mapping.source is not None:
            source = apply_map(source, mapping.source, in_place=True)
        tables.append(table.with_vectors(source.cpu().numpy()))
        if result.mapped and mapping.target is not None:
            target = apply_map(target, mapping.target, in_place=True)
            tables[0] = hub.with_vectors(target.cpu().numpy())
    described = {"hub": hub.language, **asdict(settings), "languages": [asdict(result) for result in results]}
    # Digests, by which lexicon induction refuses to be judged by these pairs, and no copy of the dictionary.
    described["seed_pairs"] = {
        code: " ".join(sorted({pair_digest(*pair, code, hub.language) for pair in pairs}))
        for code, pairs in dictionaries.items()
    }
    return StaticEmbeddings(tables, {**static.config, "mapping": described}), results


def hub_table(static: StaticEmbeddings, hub_language: str) -> WordTable:
    """The words of the hub.

    Raises:
        ValueError: if there are none, with the line to type.
    """
    try:
        return static.table(hub_language)
    except KeyError as error:
        raise ValueError(f"{error.args[0]}; name the hub: --hub_language {static.languages[0]}") from error


def save_mapped(mapped: StaticEmbeddings, folder: str | Path) -> None:
    """Write mapped embeddings, and beside their configuration `mapping.json`: what became of each language.

    Args:
        mapped (`StaticEmbeddings`): what [`map_to_hub`] returned.
        folder (`str` or `Path`): the folder, which is made where it is missing.
    """
    folder = Path(folder)
    mapped.save_pretrained(folder)
    told = {key: value for key, value in mapped.config["mapping"].items() if key != "seed_pairs"}
    write_json(folder / MAPPING_FILE, told)
    write_digests(folder, [*listed_files(folder), MAPPING_FILE])


def describe(result: LanguageMapping, hub: str) -> str:
    """One line about one language."""
    fitted = (
        f"{result.pairs:,} pairs; {result.judged_on:,} {result.judged_by} {result.before:.3f} -> {result.after:.3f}, "
        f"{result.gain:+.3f}"
    )
    if result.mapped:
        return f"{result.language} -> {hub}: mapped ({fitted})"
    return f"{result.language} -> {hub}: NOT mapped, because it does not gain ({fitted}); it stays normalised"


def _refuse(
    hub: WordTable,
    others: Sequence[WordTable],
    dictionaries: MappingOf[str, Sequence[tuple[str, str]]],
    settings: MappingSettings,
) -> None:
    """What can be told before the first product."""
    if not others:
        raise ValueError(
            f"there is no language to map beside the hub {hub.language}; put the vectors of others beside it, as in "
            f"--word2vec {hub.language}=FILE deu_Latn=FILE"
        )
    if settings.method == "multi-step" and len(others) > 1:
        raise ValueError(
            f"multi-step mapping moves the hub too, so that {len(others)} languages would end in as many spaces; give "
            "one language, or --method orthogonal"
        )
    unknown = sorted(set(dictionaries) - {table.language for table in others})
    if unknown:
        raise ValueError(f"there are dictionaries of {', '.join(unknown)}, of which there are no vectors")
    without = [table.language for table in others if not dictionaries.get(table.language)]
    if settings.mode in FROM_DICTIONARY and without:
        raise ValueError(
            f"there is no dictionary of {', '.join(without)} and {hub.language}, which --mode {settings.mode} needs; "
            f"give one with --dictionary, choose another --mode, or leave out what has none{say_rest(others, without)}"
        )


def _normalised(table: WordTable, device: torch.device, overwrite: bool) -> Tensor:
    vectors = torch.from_numpy(table.vectors)
    moved = vectors.to(device)
    return normalise_vectors(moved, in_place=overwrite or moved is not vectors)


def _map_language(
    language: str, source: Tensor, target: Tensor, first: FirstDictionary, settings: MappingSettings
) -> tuple[LanguageMapping, Mapping]:
    learning = settings.self_learning
    options = {"neighbours": learning.csls_neighbours, "cutoff": learning.vocabulary_cutoff}
    held_out = first.held_out.to(source.device)
    mapping, pairs, iterations = _fit(source, target, first.pairs.to(source.device), settings)
    if len(held_out):
        judged_by, judged_on, before, after = "held-out words", 0, 0.0, 0.0
        judged = [(mapping, held_out)]
        for fitted_on, judges in first.further:
            judged.append((_fit(source, target, fitted_on.to(source.device), settings)[0], judges.to(source.device)))
        for one, judges in judged:
            words = len(judges[:, 0].unique())
            before += words * held_out_precision(source, target, judges, Mapping(), **options)
            after += words * held_out_precision(source, target, judges, one, **options)
            judged_on += words
        before, after = before / judged_on, after / judged_on
        if settings.mode in FROM_DICTIONARY:
            # What was learnt without them is nearly there, so that chance has nothing more to find.
            settings = replace(settings, self_learning=replace(learning, keep=1.0))
            mapping, pairs, more = _fit(source, target, torch.cat([pairs, held_out]), settings)
            iterations += more
    else:
        judged_by = "mutual neighbours"
        before, _ = mutual_csls(mutual_neighbours(source, target, Mapping(), **options))
        after, judged_on = mutual_csls(mutual_neighbours(source, target, mapping, **options))
    result = LanguageMapping(
        language,
        after > before,
        settings.mode,
        settings.method,
        len(pairs),
        iterations,
        judged_by,
        judged_on,
        before,
        after,
        after - before,
        first.coverage.pairs,
        first.coverage.covered,
    )
    return result, mapping


def _fit(source: Tensor, target: Tensor, pairs: Tensor, settings: MappingSettings) -> tuple[Mapping, Tensor, int]:
    iterations = 0
    if settings.mode != "supervised":
        learnt = self_learn(source, target, pairs, settings.self_learning)
        pairs, iterations = learnt.pairs, learnt.iterations
    mapping = fit_mapping(
        source,
        target,
        settings.method,
        pairs,
        exponents=settings.exponents,
        ridge=settings.ridge,
        dimensions=settings.dimensions,
    )
    return mapping, pairs, iterations
