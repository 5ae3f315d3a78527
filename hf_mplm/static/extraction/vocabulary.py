"""Which words get a vector: counted piece by piece, so that counting goes on where it was interrupted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hf_mplm.data.corpus.options import ReadOptions
from hf_mplm.data.corpus.report import CorpusReport
from hf_mplm.data.corpus.segments import Segment
from hf_mplm.jobs.files import atomic_write
from hf_mplm.jobs.parts import read_result, write_result

from .selection import Selection
from .sentences import read_sentences, split_words


__all__ = ["CountedPart", "Vocabulary", "build_vocabulary", "count_part", "counted_part", "load_vocabulary"]


@dataclass(frozen=True)
class CountedPart:
    """A piece of the corpus whose words are counted.

    Args:
        index (`int`): its place in the corpus.
        folder (`str`): where its result is written.
        segments (`tuple[Segment, ...]`): what it reads.
        options (`ReadOptions`): how it reads.
        lower_case (`bool`): whether words are counted in lower case.
        min_words (`int`): words that a sentence must have.
        selection (`Selection`): which of these sentences are read.
    """

    index: int
    folder: str
    segments: tuple[Segment, ...]
    options: ReadOptions
    lower_case: bool
    min_words: int
    selection: Selection

    @property
    def weight(self) -> int:
        """Estimated bytes of text."""
        return sum(segment.weight for segment in self.segments)

    @property
    def path(self) -> Path:
        """Its words and counts, a row group a language; what else it found stands beside, as JSON."""
        return Path(self.folder) / f"{self.index:07d}.parquet"


def count_part(part: CountedPart) -> dict[str, int]:
    """Count the words of one part.

    Args:
        part (`CountedPart`): what to do.

    Returns:
        `dict[str, int]`: `words` and `weight`, for the progress bar.
    """
    report = CorpusReport()
    languages: dict[str, dict[str, int]] = {}
    with (
        atomic_write(part.path) as handle,
        pq.ParquetWriter(handle, pa.schema({"word": pa.string(), "count": pa.int64()})) as writer,
    ):
        for language, texts in read_sentences(part.segments, part.options, report).items():
            counts: Counter[str] = Counter()
            short = unselected = 0
            for text, selected in zip(texts, part.selection.of(language, texts)):
                words = split_words(text, language, part.lower_case).words
                if len(words) < part.min_words:
                    short += 1
                elif not selected:
                    unselected += 1
                else:
                    counts.update(words)
            ordered = sorted(counts.items())
            columns = {"word": [word for word, _ in ordered], "count": [count for _, count in ordered]}
            writer.write_table(pa.table(columns, schema=writer.schema), row_group_size=max(1, len(ordered)))
            languages[language] = {
                "sentences": len(texts) - short - unselected,
                "short_sentences": short,
                "unselected_sentences": unselected,
                "words": counts.total(),
            }
    write_result(part.path.with_suffix(".json"), part.path, {"languages": languages, "report": report.to_dict()})
    return {"words": sum(found["words"] for found in languages.values()), "weight": part.weight}


def counted_part(part: CountedPart, *, verify: bool = True) -> dict[str, Any] | None:
    """What a part found, `languages` and `report`; None if it is not finished.

    Args:
        part (`CountedPart`): the part.
        verify (`bool`, *optional*, defaults to `True`): whether to hold its words against their digest.
    """
    return read_result(part.path.with_suffix(".json"), part.path, ("languages", "report"), verify=verify)


@dataclass(frozen=True)
class Vocabulary:
    """The words of one language that get a vector, the most frequent first.

    Args:
        language (`str`): code.
        words (`list[str]`): the words.
        counts (`np.ndarray`): how often each occurs in the sentences that are read. Shape: (words,), int64.
        first_sentences (`dict[int, int]`): sentences of this language that are read before each part.
        sentences (`int`): sentences that are read.
        short_sentences (`int`): those left out for having too few words.
        unselected_sentences (`int`): those left out for there being more than wanted.
        all_words (`int`): occurrences of all words in what is read.
        rare_words (`int`): distinct words left out for occurring too rarely, or for there being too many.
        words_by_part (`int`): distinct words of the vocabulary, summed over the parts.
    """

    language: str
    words: list[str]
    counts: np.ndarray
    first_sentences: dict[int, int]
    sentences: int
    short_sentences: int
    unselected_sentences: int
    all_words: int
    rare_words: int
    words_by_part: int

    def save(self, folder: Path) -> None:
        """Write words and counts for [`load_vocabulary`]."""
        with atomic_write(folder / f"{self.language}.parquet") as handle:
            pq.write_table(pa.table({"word": self.words, "count": self.counts}), handle)


@lru_cache(maxsize=8)
def load_vocabulary(folder: str, language: str) -> tuple[dict[str, int], np.ndarray]:
    """The place of each word and the counts, as [`Vocabulary`] saved them. Shape of the counts: (words,), int64."""
    table = pq.read_table(Path(folder) / f"{language}.parquet")
    return {word: row for row, word in enumerate(table["word"].to_pylist())}, table["count"].to_numpy()


def build_vocabulary(
    language: str,
    parts: Sequence[CountedPart],
    found: Sequence[dict[str, Any]],
    *,
    min_count: int,
    max_words: int,
) -> Vocabulary:
    """Choose the words of a language; of words that are equally frequent the first in the order of Unicode.

    Args:
        language (`str`): code.
        parts (`Sequence[CountedPart]`): all parts, in the order of the corpus.
        found (`Sequence[dict[str, Any]]`): what [`counted_part`] gives for each.
        min_count (`int`): how often a word must occur.
        max_words (`int`): how many words there may be.
    """
    total: Counter[str] = Counter()
    first_sentences, groups = {}, []
    sums = {"sentences": 0, "short_sentences": 0, "unselected_sentences": 0, "words": 0}
    for part, result in zip(parts, found):
        if language not in result["languages"]:
            continue
        first_sentences[part.index] = sums["sentences"]
        for name in sums:
            sums[name] += result["languages"][language][name]
        # Row groups stand in the order of the languages.
        group = (part.path, list(result["languages"]).index(language))
        groups.append(group)
        for word, count in zip(*_words_and_counts(*group)):
            total[word] += count
    frequent = sorted((-count, word) for word, count in total.items() if count >= min_count)[:max_words]
    words = [word for _, word in frequent]
    known = set(words)
    by_part = sum(sum(word in known for word in _words_and_counts(*group)[0]) for group in groups)
    return Vocabulary(
        language,
        words,
        np.array([-count for count, _ in frequent], dtype=np.int64),
        first_sentences,
        sums["sentences"],
        sums["short_sentences"],
        sums["unselected_sentences"],
        sums["words"],
        len(total) - len(words),
        by_part,
    )


def _words_and_counts(path: Path, group: int) -> tuple[list[str], list[int]]:
    with pq.ParquetFile(path) as file:
        table = file.read_row_group(group)
    return table["word"].to_pylist(), table["count"].to_pylist()
