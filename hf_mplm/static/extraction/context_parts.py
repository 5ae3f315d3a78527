"""The contexts of a piece of the corpus on disk: written once, mapped into memory by training, deleted at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from hf_mplm.data.corpus.options import ReadOptions
from hf_mplm.data.corpus.report import CorpusReport
from hf_mplm.data.corpus.segments import Segment
from hf_mplm.jobs.files import atomic_write
from hf_mplm.jobs.parts import read_result, write_result

from .contexts import Occurrences, PooledStates, read_contexts
from .encoder import EncoderSpec, LayerEncoder, load_encoder, one_thread
from .occurrences import draw_occurrences, keep_probabilities
from .selection import Selection
from .sentences import WordSentence, read_sentences, split_words
from .settings import ExtractionSettings
from .vocabulary import load_vocabulary


__all__ = ["ContextPart", "Section", "encode_part", "encoded_part", "open_section"]


@dataclass(frozen=True)
class ContextPart:
    """A piece of the corpus that is encoded on its own.

    Args:
        index (`int`): its place in the corpus.
        folder (`str`): where its result is written.
        segments (`tuple[Segment, ...]`): what it reads.
        options (`ReadOptions`): how it reads.
        encoder (`EncoderSpec`): what encodes it.
        settings (`ExtractionSettings`): what is kept.
        vocabularies (`str`): folder of the vocabularies.
        first_sentences (`tuple[tuple[str, int], ...]`): the languages that are wanted of it, and how many sentences of
            each are read before.
        selection (`Selection`): which sentences are read.
    """

    index: int
    folder: str
    segments: tuple[Segment, ...]
    options: ReadOptions
    encoder: EncoderSpec
    settings: ExtractionSettings
    vocabularies: str
    first_sentences: tuple[tuple[str, int], ...]
    selection: Selection

    @property
    def weight(self) -> int:
        """Estimated bytes of text."""
        return sum(segment.weight for segment in self.segments)

    @property
    def path(self) -> Path:
        """Its arrays, one after the other; where each stands is written beside, as JSON."""
        return Path(self.folder) / f"{self.index:07d}.bin"


@dataclass(frozen=True)
class Section:
    """What a part keeps of one language, mapped into memory.

    Args:
        contexts (`np.ndarray`): Shape: (contexts, size), float16.
        rows (`np.ndarray`): the context of each target, not falling. Shape: (targets,), int32.
        words (`np.ndarray`): the target's place in the vocabulary. Shape: (targets,), int32.
        drawn (`np.ndarray`): the epochs in which it is trained on. Shape: (targets, epochs), bool.
        pooled_words (`np.ndarray`): words whose states were added up. Shape: (words,), int64.
        pooled_counts (`np.ndarray`): of how many occurrences. Shape: (words,), int64.
        pooled_sums (`np.ndarray`): their sums. Shape: (words, size), float32.
    """

    contexts: np.ndarray
    rows: np.ndarray
    words: np.ndarray
    drawn: np.ndarray
    pooled_words: np.ndarray
    pooled_counts: np.ndarray
    pooled_sums: np.ndarray


def encoded_part(part: ContextPart, *, verify: bool = True) -> dict[str, Any] | None:
    """What a part found, by language: `counts`, and where its `arrays` stand; None if it is not finished.

    Args:
        part (`ContextPart`): the part.
        verify (`bool`, *optional*, defaults to `True`): whether to hold its arrays against their digest.
    """
    found = read_result(part.path.with_suffix(".json"), part.path, ("languages",), verify=verify)
    return None if found is None else dict(found["languages"])


def open_section(path: str | Path, arrays: dict[str, Any]) -> Section:
    """Map one language of a part into memory.

    Args:
        path (`str` or `Path`): the part's file.
        arrays (`dict[str, Any]`): what [`encoded_part`] says of where they stand.
    """

    def load(name: str) -> np.ndarray:
        offset, kind, shape = arrays[name]
        if not all(shape):
            return np.empty(shape, dtype=kind)
        return np.memmap(path, dtype=kind, mode="r", offset=offset, shape=tuple(shape))

    return Section(*(load(name) for name in Section.__dataclass_fields__))


def encode_part(part: ContextPart) -> dict[str, int]:
    """Encode one part and write its result.

    Args:
        part (`ContextPart`): what to do.

    Returns:
        `dict[str, int]`: `tokens` and `weight`, for the progress bar.
    """
    first_sentences = dict(part.first_sentences)
    languages: dict[str, Any] = {}
    with one_thread(), atomic_write(part.path) as handle:
        for language, texts in read_sentences(part.segments, part.options, CorpusReport()).items():
            if language in first_sentences:
                languages[language] = _encode_language(part, language, texts, first_sentences[language], handle)
    write_result(part.path.with_suffix(".json"), part.path, {"languages": languages})
    return {"tokens": sum(found["counts"]["tokens"] for found in languages.values()), "weight": part.weight}


def _encode_language(
    part: ContextPart, language: str, texts: list[str], first_sentence: int, handle: IO[bytes]
) -> dict[str, Any]:
    settings = part.settings
    encoder = load_encoder(part.encoder, part.index)
    index, word_counts = load_vocabulary(part.vocabularies, language)
    selected = part.selection.of(language, texts)
    split = (split_words(text, language, settings.lower_case) for text, taken in zip(texts, selected) if taken)
    sentences = [sentence for sentence in split if len(sentence.words) >= settings.min_words]
    ids, occurrences, counts = _find_occurrences(encoder, sentences, index)
    if settings.needs_targets:
        keep = keep_probabilities(word_counts, settings.subsample)
        occurrences.drawn = draw_occurrences(
            keep[occurrences.words],
            first_sentence + occurrences.sentences,
            occurrences.positions,
            epochs=settings.epochs,
            seed=settings.seed,
            language=language,
        )
    pooled = None
    if settings.needs_pooling:
        pooled = PooledStates(np.unique(occurrences.words), encoder.dimension, encoder.device)
    found = read_contexts(
        encoder,
        ids,
        occurrences,
        without_target=settings.context == "without-target",
        special_tokens=settings.special_tokens,
        pooled=pooled,
    )
    arrays = _write_targets(handle, found, encoder.dimension, occurrences.drawn.shape[1], counts)
    none = np.empty(0, dtype=np.int64)
    arrays["pooled_words"] = _write(handle, pooled.words if pooled else none)
    arrays["pooled_counts"] = _write(handle, pooled.counts if pooled else none)
    sums = pooled.sums.cpu().numpy() if pooled else np.empty((0, encoder.dimension), dtype=np.float32)
    arrays["pooled_sums"] = _write(handle, sums)
    return {"counts": counts, "arrays": arrays}


def _find_occurrences(
    encoder: LayerEncoder, sentences: list[WordSentence], index: dict[str, int]
) -> tuple[list[np.ndarray], Occurrences, dict[str, int]]:
    """The tokens of the sentences, and which of them are words of the vocabulary."""
    written = encoder.words.as_written([one.text for one in sentences], [one.spans for one in sentences])
    words = [np.fromiter((index.get(word, -1) for word in one.words), np.int64, len(one.words)) for one in sentences]
    lengths = [len(row) for row in words]
    every = np.concatenate([*words, np.empty(0, dtype=np.int64)])
    starts = np.concatenate([*(one.starts for one in written), np.empty(0, dtype=np.int64)])
    stops = np.concatenate([*(one.stops for one in written), np.empty(0, dtype=np.int64)])
    known = every >= 0
    found = np.flatnonzero(known & (stops > starts))
    n_cut = sum(one.n_cut for one in written)
    counts = {
        "tokens": sum(len(one.input_ids) for one in written),
        "occurrences": len(found),
        "cut_words": n_cut,
        "words_without_token": int((stops == starts).sum()) - n_cut,
    }
    occurrences = Occurrences(
        np.repeat(np.arange(len(sentences)), lengths)[found],
        np.concatenate([np.arange(length) for length in [*lengths, 0]])[found],
        starts[found],
        stops[found],
        every[found],
        np.zeros((len(found), 0), dtype=bool),
    )
    return [one.input_ids for one in written], occurrences, counts


def _write_targets(
    handle: IO[bytes], found: Iterator[Any], dimension: int, epochs: int, counts: dict[str, int]
) -> dict[str, Any]:
    """Write contexts as they come, and what belongs to them after the last."""
    offset, n_contexts = handle.tell(), 0
    rows: list[np.ndarray] = [np.empty(0, dtype=np.int32)]
    words: list[np.ndarray] = [np.empty(0, dtype=np.int32)]
    drawn: list[np.ndarray] = [np.empty((0, epochs), dtype=bool)]
    n_alone = 0
    for targets in found:
        handle.write(targets.contexts.tobytes())
        rows.append(targets.rows + np.int32(n_contexts))
        words.append(targets.words)
        drawn.append(targets.drawn)
        n_contexts += len(targets.contexts)
        n_alone += targets.n_alone
    counts["without_context"] = n_alone
    counts["drawn"] = sum(map(len, words))
    return {
        "contexts": [offset, "<f2", [n_contexts, dimension]],
        "rows": _write(handle, np.concatenate(rows)),
        "words": _write(handle, np.concatenate(words)),
        "drawn": _write(handle, np.concatenate(drawn)),
    }


def _write(handle: IO[bytes], array: np.ndarray) -> list[Any]:
    place = [handle.tell(), array.dtype.str, list(array.shape)]
    handle.write(array.tobytes())
    return place
