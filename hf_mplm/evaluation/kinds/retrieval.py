from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from hf_mplm.jobs.progress import progress_bar

from ..context import Context
from ..encoder import Encoder, encode_in, needs_language
from ..files.corpus import MissingDataError
from ..files.hub_data import HubData
from ..files.layouts import DataError
from ..files.reads import recorded_reads
from ..metrics.similarity import centre, mining_f1, retrieve
from ..results import ResultRow
from ..task import Cell, training_free_cell
from .options import UntunedTask


__all__ = ["ParallelCorpus", "ParallelText", "RetrievalTask", "retrieval_accuracy"]

logger = logging.getLogger(__name__)

TOP_K = (1, 5, 10)
SOURCE_TO_TARGET = "source->target"
TARGET_TO_SOURCE = "target->source"
DIRECTIONS = (SOURCE_TO_TARGET, TARGET_TO_SOURCE)
SETTINGS = ("plain", "centred", "csls", "centred+csls")
# Sentences whose vectors are held at once; at 768 dimensions 50 MB, whatever the number of languages.
SENTENCES_PER_GROUP = 16384
# Of these many sentences top-10 finds a tenth by chance.
FEW_SENTENCES = 100


@dataclass(frozen=True)
class ParallelText:
    """Sentences of two languages, each the translation of the one at the same place.

    Args:
        source (`Sequence[str]`): Sentences of the source language.
        target (`Sequence[str]`): Their translations.
        n_skipped (`int`, *optional*, defaults to 0): Pairs that were left out because a side is empty.
    """

    source: Sequence[str]
    target: Sequence[str]
    n_skipped: int = 0

    def without_empty(self) -> ParallelText:
        """Leave out the pairs of which a side holds nothing but white space, and count them."""
        kept = [(one, other) for one, other in zip(self.source, self.target) if one.strip() and other.strip()]
        source, target = ([pair[side] for pair in kept] for side in (0, 1))
        return ParallelText(source, target, self.n_skipped + len(self.source) - len(kept))

    def first(self, n: int | None) -> ParallelText:
        """Keep the first `n` pairs, all of them where `n` is `None`."""
        return self if n is None else replace(self, source=self.source[:n], target=self.target[:n])


def retrieval_accuracy(
    source: np.ndarray,
    target: np.ndarray,
    *,
    direction: str = SOURCE_TO_TARGET,
    setting: str = "plain",
    csls_neighbours: int = 10,
    top_k: Sequence[int] = TOP_K,
) -> dict[str, float]:
    """Share of the queries whose translation is among the nearest `k` of the other side.

    Args:
        source (`np.ndarray`): Vectors of the source language's sentences. Shape: (n, dimension).
        target (`np.ndarray`): Vectors of their translations. Shape: (n, dimension).
        direction (`str`, *optional*, defaults to `"source->target"`): Which side asks. The papers let English ask.
        setting (`str`, *optional*, defaults to `"plain"`): `"plain"`, `"centred"` (each side's mean subtracted),
            `"csls"` or `"centred+csls"`.
        csls_neighbours (`int`, *optional*, defaults to 10): Neighbours of CSLS.
        top_k (`Sequence[int]`, *optional*, defaults to `(1, 5, 10)`): The values of `k`.

    Returns:
        `dict[str, float]`: `accuracy@k` for each `k`, and `f1` of bitext mining under the plain setting.

    Raises:
        ValueError: If the direction or the setting is not known, or the sides differ in length.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction {direction!r} is not known; choose of {', '.join(DIRECTIONS)}")
    if setting not in SETTINGS:
        raise ValueError(f"retrieval setting {setting!r} is not known; choose of {', '.join(SETTINGS)}")
    if len(source) != len(target):
        raise ValueError(f"{len(source)} source and {len(target)} target sentences cannot be aligned")
    if "centred" in setting:
        source, target = centre(source), centre(target)
    queries, index = (source, target) if direction == SOURCE_TO_TARGET else (target, source)
    ranks, nearest = retrieve(queries, index, csls=csls_neighbours if "csls" in setting else 0)
    scores = {f"accuracy@{k}": float((ranks < k).mean()) for k in top_k}
    # MTEB's main score, and MTEB compares plain cosines.
    return {**scores, "f1": mining_f1(nearest)} if setting == "plain" else scores


class ParallelCorpus(Protocol):
    """The files of one benchmark of parallel sentences."""

    def languages(self) -> list[str]:
        """List the language-scripts that have sentences, sorted."""
        ...

    def pair(self, source: str, target: str) -> ParallelText:
        """Read the sentences of two languages.

        Args:
            source (`str`): Code of the source language.
            target (`str`): Code of the target language.

        Returns:
            `ParallelText`: The aligned sentences.

        Raises:
            MissingDataError: If there are none.
            DataError: If a file does not hold what its format promises.
        """
        ...


@dataclass(frozen=True)
class RetrievalTask(UntunedTask):
    """Sentence retrieval over one benchmark.

    Args:
        name (`str`): Name of the task.
        corpus (`Callable[[Path], ParallelCorpus]`): Opens the benchmark under a data folder.
        shared_source (`bool`): Whether the source side is the same for every target language, so that it is encoded
            once for all of them.
        max_sentences (`int`, *optional*): Most pairs of a language.
        hub_type (`str`, *optional*, defaults to `"sentence-similarity"`): What the Hub calls what it asks for.
        hub_data (`tuple[HubData, ...]`, *optional*): Where its benchmark is on the Hub, if there is no data folder.
    """

    name: str
    corpus: Callable[[Path], ParallelCorpus]
    shared_source: bool
    max_sentences: int | None = None
    hub_type: str = "sentence-similarity"
    hub_data: tuple[HubData, ...] = ()
    options: ClassVar[tuple[str, ...]] = ("max_sentences",)

    def check(self, context: Context, languages: Sequence[str]) -> None:
        """Read every file once, so that a fault in one is found before anything is encoded.

        Args:
            context (`Context`): The settings; pairs without data are noted in its `skips`.
            languages (`Sequence[str]`): Codes of the languages to score.

        Raises:
            DataError: If a file does not hold what its format promises.
            ValueError: If a setting is not known.
        """
        for direction in context.settings.retrieval.directions:
            if direction not in DIRECTIONS:
                raise ValueError(f"direction {direction!r} is not known; choose of {', '.join(DIRECTIONS)}")
        for setting in context.settings.retrieval.settings:
            if setting not in SETTINGS:
                raise ValueError(f"retrieval setting {setting!r} is not known; choose of {', '.join(SETTINGS)}")
        for source in context.source_languages:
            few = {}
            for language, text, files in self._recorded_pairs(context, source, languages):
                if len(text.source) < min(FEW_SENTENCES, self.max_sentences or FEW_SENTENCES):
                    few[language] = len(text.source)
                for cell in self._cells(context, source, language):
                    context.depends(cell, files, self._settings(context))
            if few:
                logger.warning(
                    "%s: %s shares few sentences with %s; finding one among so few is easy, so compare no such scores "
                    "with others",
                    self.name,
                    source,
                    ", ".join(f"{language} ({n})" for language, n in few.items()),
                )

    def evaluate(self, context: Context, languages: Sequence[str]) -> Iterator[list[ResultRow]]:
        """Encode both sides of each language and look up the translations.

        Args:
            context (`Context`): The settings.
            languages (`Sequence[str]`): Codes of the languages to score.

        Yields:
            `list[ResultRow]`: `accuracy@1`, `accuracy@5`, `accuracy@10` and, under the plain setting, `f1` of one
            language.
        """
        for source in context.source_languages:
            wanted = [
                language
                for language in languages
                if language != source and self._open_cells(context, source, language)
            ]
            vectors = _Vectors(context.encoder, context.progress) if wanted else None
            bar = progress_bar(total=len(wanted), desc=self.name, unit="lang", shown=context.progress)
            with bar:
                for group in _grouped(self._pairs(context, source, wanted)):
                    if vectors is None:
                        break
                    vectors.add(group, source, shared_source=self.shared_source)
                    for language, text in group.items():
                        one, other = vectors.of(text.source, source), vectors.of(text.target, language)
                        for cell in self._open_cells(context, source, language):
                            accuracy = retrieval_accuracy(
                                one,
                                other,
                                direction=cell.direction,
                                setting=cell.setting.removesuffix("-no-specials"),
                                csls_neighbours=context.settings.retrieval.csls_neighbours,
                            )
                            yield context.rows(cell, accuracy, n=len(text.source), n_skipped=text.n_skipped)
                        bar.update(1)

    def _settings(self, context: Context) -> dict[str, Any]:
        return {
            "csls_neighbours": context.settings.retrieval.csls_neighbours,
            "max_sentences": self.max_sentences,
            "encoding": dict(context.model.encoding),
        }

    def _open_cells(self, context: Context, source: str, language: str) -> list[Cell]:
        return [cell for cell in self._cells(context, source, language) if cell not in context.finished]

    def _cells(self, context: Context, source: str, language: str) -> list[Cell]:
        suffix = "" if context.settings.encoding.special_tokens else "-no-specials"
        return [
            training_free_cell(
                self.name,
                language,
                source=source,
                direction=direction,
                setting=f"{setting}{suffix}",
                layer=context.layer,
            )
            for setting in context.settings.retrieval.settings
            for direction in context.settings.retrieval.directions
        ]

    def _pairs(self, context: Context, source: str, languages: Sequence[str]) -> Iterator[tuple[str, ParallelText]]:
        for language, text, _ in self._recorded_pairs(context, source, languages):
            yield language, text

    def _recorded_pairs(
        self, context: Context, source: str, languages: Sequence[str]
    ) -> Iterator[tuple[str, ParallelText, frozenset[Path]]]:
        corpus, common = context.open(self.name, self.corpus)
        for language in languages:
            if language == source:
                continue
            try:
                with recorded_reads() as files:
                    text = corpus.pair(source, language).without_empty().first(self.max_sentences)
            except MissingDataError as error:
                context.skip(self.name, language, error)
                continue
            if not text.source:
                raise DataError(f"{self.name}: {source} and {language} share no sentence")
            yield language, text, frozenset(common | files)


class _Vectors:
    """The vectors of one group of languages, and of the source sentences that later groups need again."""

    def __init__(self, encoder: Encoder, progress: bool) -> None:
        self.encoder = encoder
        self.progress = progress
        # An encoder that asks for the language may give one sentence two vectors.
        self.by_language = needs_language(encoder)
        self.kept: dict[tuple[str, str], np.ndarray] = {}
        self.current: dict[tuple[str, str], np.ndarray] = {}

    def add(self, group: Mapping[str, ParallelText], source: str, *, shared_source: bool) -> None:
        sources = {self._key(text, source): None for pair in group.values() for text in pair.source}
        targets = {self._key(text, code): None for code, pair in group.items() for text in pair.target}
        calls: dict[str, list[str]] = {}
        for language, text in {**sources, **targets}:
            if (language, text) not in self.kept:
                calls.setdefault(language, []).append(text)
        self.current = {}
        for language, texts in calls.items():
            vectors = encode_in(self.encoder, texts, language, progress=self.progress)
            self.current.update(zip([(language, text) for text in texts], vectors))
        if shared_source:
            # Copies, because a row of the group's matrix would keep the whole matrix.
            self.kept.update({key: self.current[key].copy() for key in sources if key in self.current})

    def of(self, texts: Sequence[str], language: str) -> np.ndarray:
        keys = [self._key(text, language) for text in texts]
        return np.stack([self.kept[key] if key in self.kept else self.current[key] for key in keys])

    def _key(self, text: str, language: str) -> tuple[str, str]:
        return (language if self.by_language else "", text)


def _grouped(pairs: Iterator[tuple[str, ParallelText]]) -> Iterator[dict[str, ParallelText]]:
    group: dict[str, ParallelText] = {}
    size = 0
    for language, text in pairs:
        if group and size + 2 * len(text.source) > SENTENCES_PER_GROUP:
            yield group
            group, size = {}, 0
        group[language] = text
        size += 2 * len(text.source)
    if group:
        yield group
