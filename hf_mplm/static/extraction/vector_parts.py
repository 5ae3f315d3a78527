"""The vectors of one language: pooled, trained, or of words by themselves, written when they are whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hf_mplm.evaluation.encoder import default_device
from hf_mplm.jobs.files import atomic_write
from hf_mplm.jobs.parts import read_result, write_result

from .context_parts import Section, open_section
from .encoder import EncoderSpec, LayerEncoder, load_encoder, one_thread
from .grouping import sum_of_ranges
from .settings import ExtractionSettings
from .training import random_vectors, train_vectors
from .vocabulary import load_vocabulary


__all__ = ["VectorPart", "finished_vectors", "make_vectors", "pooled_vectors", "words_alone"]


@dataclass(frozen=True)
class VectorPart:
    """A language whose vectors are made.

    Args:
        index (`int`): its place among the languages.
        folder (`str`): where its result is written.
        language (`str`): code.
        weight (`int`): bytes of contexts, for the progress bar.
        sections (`tuple[tuple[str, dict[str, Any]], ...]`): file and arrays of each part that has the language.
        encoder (`EncoderSpec`): for words by themselves.
        settings (`ExtractionSettings`): how.
        vocabularies (`str`): folder of the vocabularies.
        dimension (`int`): size of a vector.
    """

    index: int
    folder: str
    language: str
    weight: int
    sections: tuple[tuple[str, dict[str, Any]], ...]
    encoder: EncoderSpec
    settings: ExtractionSettings
    vocabularies: str
    dimension: int

    @property
    def path(self) -> Path:
        """The vectors as float32, those of words that have none as zeros; what was found stands beside, as JSON."""
        return Path(self.folder) / f"{self.language}.bin"


def finished_vectors(part: VectorPart, *, verify: bool = True) -> dict[str, Any] | None:
    """What was found: `counts`, `left_out` words and, of training, `losses` and `targets`; None if not finished.

    Args:
        part (`VectorPart`): the language.
        verify (`bool`, *optional*, defaults to `True`): whether to hold the vectors against their digest.
    """
    return read_result(part.path.with_suffix(".json"), part.path, ("left_out",), verify=verify)


def make_vectors(part: VectorPart) -> dict[str, int]:
    """Make the vectors of one language and write them.

    Args:
        part (`VectorPart`): what to do.

    Returns:
        `dict[str, int]`: `words` and `weight`, for the progress bar.
    """
    settings = part.settings
    index, counts = load_vocabulary(part.vocabularies, part.language)
    sections = [open_section(path, arrays) for path, arrays in part.sections]
    found: dict[str, Any] = {}
    with one_thread():
        if settings.method == "alone":
            vectors = words_alone(load_encoder(part.encoder, part.index), list(index))
            known = np.ones(len(index), dtype=bool)
        elif settings.needs_pooling:
            vectors, known = pooled_vectors(sections, len(index), part.dimension)
        else:
            vectors = random_vectors(len(index), part.dimension, seed=settings.seed, language=part.language)
            known = np.ones(len(index), dtype=bool)
        if settings.needs_targets:
            device = default_device()
            training = train_vectors(vectors, counts, sections, settings, part.language, device)
            vectors = training.vectors
            found = {"losses": training.losses, "targets": training.targets}
            found["never_a_target"] = int((known & ~training.trained).sum())
            if settings.init == "random":
                # What nothing was ever drawn towards holds the numbers that it started from.
                known &= training.trained
    vectors[~known] = 0
    with atomic_write(part.path) as handle:
        handle.write(np.ascontiguousarray(vectors, dtype="<f4").data)
    found["left_out"] = np.flatnonzero(~known).tolist()
    write_result(part.path.with_suffix(".json"), part.path, found)
    return {"words": len(index), "weight": part.weight}


def pooled_vectors(sections: Sequence[Section], n: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean over all occurrences of a word's mean subword state (Bommasani et al. 2020).

    Args:
        sections (`Sequence[Section]`): sums of the parts.
        n (`int`): words of the vocabulary.
        size (`int`): of a state.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: vectors, float32, and which words have any. Shapes: (words, size), (words,).
    """
    sums = np.zeros((n, size), dtype=np.float32)
    counts = np.zeros(n, dtype=np.int64)
    for section in sections:
        sums[section.pooled_words] += section.pooled_sums
        counts[section.pooled_words] += section.pooled_counts
    sums /= np.maximum(counts, 1)[:, None].astype(np.float32)
    return sums, counts > 0


def words_alone(encoder: LayerEncoder, words: Sequence[str]) -> np.ndarray:
    """The mean subword state of words that stand alone between special tokens, which do not count.

    Args:
        encoder (`LayerEncoder`): the encoder.
        words (`Sequence[str]`): the words.

    Returns:
        `np.ndarray`: Shape: (words, size), float32.
    """
    vectors = np.empty((len(words), encoder.dimension), dtype=np.float32)
    encoder.words.add([words])
    ids = [next(encoder.words.windows([word])).input_ids for word in words]
    first, around = len(encoder.words.prefix), len(encoder.words.prefix) + len(encoder.words.suffix)
    for batch, states in encoder.batches(ids):
        lengths = torch.tensor([len(ids[row]) - around for row in batch], device=states.device)
        starts = torch.arange(len(batch), device=states.device) * states.shape[1] + first
        means = sum_of_ranges(states.flatten(0, 1), starts, lengths) / lengths[:, None]
        vectors[batch] = means.cpu().numpy()
    return vectors
