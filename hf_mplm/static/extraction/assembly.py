"""What the parts of an extraction found, put together: vocabularies after counting, tables of vectors at the end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm.data.corpus.report import CorpusReport
from hf_mplm.jobs.job import finished_results

from ..word_table import WordTable
from .settings import ExtractionSettings
from .vector_parts import VectorPart, finished_vectors
from .vocabulary import CountedPart, Vocabulary, build_vocabulary, counted_part


__all__ = ["make_vocabularies", "put_together"]

logger = logging.getLogger(__name__)


def make_vocabularies(
    parts: Sequence[CountedPart], settings: ExtractionSettings, folder: Path, corpus: Any
) -> tuple[list[Vocabulary], CorpusReport]:
    """The vocabulary of each language that has any word, and what was read.

    Args:
        parts (`Sequence[CountedPart]`): all parts, counted.
        settings (`ExtractionSettings`): how frequent words must be, and how many there may be.
        folder (`Path`): where the vocabularies are written.
        corpus: what was read, for messages.

    Raises:
        ValueError: if no language has any.
    """
    found = list(finished_results(parts, counted_part))
    report = CorpusReport()
    for result in found:
        report.merge(CorpusReport.from_dict(result["report"]))
    vocabularies = []
    for language in sorted({language for result in found for language in result["languages"]}):
        one = build_vocabulary(language, parts, found, min_count=settings.min_count, max_words=settings.max_words)
        if one.words:
            one.save(folder)
            vocabularies.append(one)
            continue
        logger.warning(
            "%s is left out: of its %s sentences %s have fewer than %d words, %s are more than --max_sentences, and "
            "in the rest no word occurs %d times",
            language,
            f"{one.sentences + one.short_sentences + one.unselected_sentences:,}",
            f"{one.short_sentences:,}",
            settings.min_words,
            f"{one.unselected_sentences:,}",
            settings.min_count,
        )
    if not vocabularies:
        raise ValueError(
            f"{corpus}: no word of any language occurs {settings.min_count} times in sentences of at least "
            f"{settings.min_words} words; give more text, or a smaller --min_count or --min_words. Lines left out: "
            f"{report.explain_dropped()}"
        )
    return vocabularies, report


def put_together(
    parts: Sequence[VectorPart], vocabularies: Sequence[Vocabulary], encoded: Sequence[dict[str, Any]]
) -> tuple[list[WordTable], dict[str, dict[str, Any]]]:
    """The words of each language with their vectors, and what was counted on the way.

    Args:
        parts (`Sequence[VectorPart]`): the languages, finished.
        vocabularies (`Sequence[Vocabulary]`): theirs.
        encoded (`Sequence[dict[str, Any]]`): what the parts of the corpus found.
    """
    tables, counts = [], {}
    for part, one, made in zip(parts, vocabularies, finished_results(parts, finished_vectors)):
        size = (len(one.words), part.dimension)
        vectors: np.ndarray = np.memmap(part.path, dtype="<f4", mode="r", shape=size)
        left_out = set(made.pop("left_out"))
        rows = np.array([row for row in range(len(one.words)) if row not in left_out], dtype=np.int64)
        if left_out:
            logger.warning(
                "%s: %s words get no vector, as nothing of them was read, such as %r",
                one.language,
                f"{len(left_out):,}",
                one.words[min(left_out)],
            )
            vectors = vectors[rows]
        tables.append(WordTable(one.language, [one.words[row] for row in rows], one.counts[rows], vectors))
        sums: dict[str, int] = {}
        for result in encoded:
            for name, n in result.get(one.language, {"counts": {}})["counts"].items():
                sums[name] = sums.get(name, 0) + n
        counts[one.language] = {
            "words": len(rows),
            "rare_words": one.rare_words,
            "words_without_vector": len(left_out),
            "sentences": one.sentences,
            "short_sentences": one.short_sentences,
            "unselected_sentences": one.unselected_sentences,
            "word_occurrences": one.all_words,
            **sums,
            **made,
        }
    return tables, counts
