"""The contexts of words: what an encoder makes of the sentences in which they stand, with or without themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .encoder import LayerEncoder
from .grouping import sum_by_group, sum_of_ranges


__all__ = ["Occurrences", "PooledStates", "TargetContexts", "read_contexts"]


@dataclass
class Occurrences:
    """Words of a vocabulary where they stand in the sentences of a piece of text, in order.

    Args:
        sentences (`np.ndarray`): number of the sentence within the piece. Shape: (occurrences,), int64.
        positions (`np.ndarray`): number of the word within the sentence. Shape: (occurrences,), int64.
        starts (`np.ndarray`): the word's first token, counted with special tokens. Shape: (occurrences,), int64.
        stops (`np.ndarray`): the token after its last. Shape: (occurrences,), int64.
        words (`np.ndarray`): the word's place in the vocabulary. Shape: (occurrences,), int64.
        drawn (`np.ndarray`): whether it is trained on, in each epoch. Shape: (occurrences, epochs), bool.
    """

    sentences: np.ndarray
    positions: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    words: np.ndarray
    drawn: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Occurrences:
        return Occurrences(*(getattr(self, field.name)[rows] for field in fields(self)))


class TargetContexts(NamedTuple):
    """Targets of a batch and the contexts that they are to be told from.

    Args:
        contexts (`np.ndarray`): Shape: (contexts, size), float16.
        rows (`np.ndarray`): the context of each target, not falling. Shape: (targets,), int32.
        words (`np.ndarray`): the target's place in the vocabulary. Shape: (targets,), int32.
        drawn (`np.ndarray`): the epochs in which it is trained on. Shape: (targets, epochs), bool.
        n_alone (`int`): drawn occurrences without a context: nothing else stands in their sentence.
    """

    contexts: np.ndarray
    rows: np.ndarray
    words: np.ndarray
    drawn: np.ndarray
    n_alone: int


class PooledStates:
    """Sums of the mean subword states of words.

    Args:
        words (`np.ndarray`): places in a vocabulary, sorted. Shape: (words,), int64.
        size (`int`): of a state.
        device (`torch.device`): where the sums are kept.
    """

    def __init__(self, words: np.ndarray, size: int, device: torch.device) -> None:
        self.words = words
        self.counts = np.zeros(len(words), dtype=np.int64)
        self.sums = torch.zeros(len(words), size, device=device)

    def add(self, words: np.ndarray, means: Tensor) -> None:
        """Add the states of occurrences. Shapes: (occurrences,), (occurrences, size)."""
        places = np.searchsorted(self.words, words)
        np.add.at(self.counts, places, 1)
        groups, sums = sum_by_group(means, torch.from_numpy(places).to(means.device))
        self.sums[groups] += sums


def read_contexts(
    encoder: LayerEncoder,
    ids: Sequence[np.ndarray],
    occurrences: Occurrences,
    *,
    without_target: bool,
    special_tokens: bool,
    pooled: PooledStates | None = None,
) -> Iterator[TargetContexts]:
    """Encode sentences once, and keep of them what training needs.

    With S the sum of a sentence's states and n their number, the context of a word of k tokens is
    (S - sum of the word's states) / (n - k), or S / n where the word itself may stay. A context with the target stands
    once a sentence; without it, once for each occurrence that is drawn in any epoch.

    Args:
        encoder (`LayerEncoder`): the encoder.
        ids (`Sequence[np.ndarray]`): tokens of each sentence, special ones included.
        occurrences (`Occurrences`): of the words, each with at least a token.
        without_target (`bool`): whether the word's own tokens are left out.
        special_tokens (`bool`): whether the special tokens count.
        pooled (`PooledStates`, *optional*): receives the mean subword state of every occurrence. Without it, sentences
            in which nothing was drawn are not encoded.

    Yields:
        `TargetContexts`: those of one batch.
    """
    is_needed = np.ones(len(occurrences.words), dtype=bool) if pooled else occurrences.drawn.any(axis=1)
    occurrences = occurrences[np.flatnonzero(is_needed)]
    needed = np.unique(occurrences.sentences)
    # Where the occurrences of each sentence begin and end.
    borders = np.searchsorted(occurrences.sentences, np.stack([needed, needed + 1]))
    outer = (0, 0) if special_tokens else (len(encoder.words.prefix), len(encoder.words.suffix))
    for batch, states in encoder.batches([ids[sentence] for sentence in needed]):
        lengths = np.array([len(ids[needed[row]]) for row in batch])
        counts = borders[1, batch] - borders[0, batch]
        here = occurrences[np.concatenate([np.arange(*borders[:, row]) for row in batch])]
        owner = np.repeat(np.arange(len(batch)), counts)
        yield _contexts_of_batch(states, lengths, here, owner, outer, without_target, pooled)


def _contexts_of_batch(
    states: Tensor,
    lengths: np.ndarray,
    here: Occurrences,
    owner: np.ndarray,
    outer: tuple[int, int],
    without_target: bool,
    pooled: PooledStates | None,
) -> TargetContexts:
    device, longest = states.device, states.shape[1]
    flat = states.flatten(0, 1)

    def send(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(device)

    drawn = here.drawn.any(axis=1)
    spans = here.stops - here.starts
    of_words = torch.empty(0, device=device)
    chosen = np.flatnonzero(drawn)
    if pooled is not None:
        of_words = sum_of_ranges(flat, send(owner * longest + here.starts), send(spans))
        pooled.add(here.words, of_words / send(spans)[:, None])
        of_words = of_words[send(chosen)]
    elif without_target:
        of_words = sum_of_ranges(flat, send((owner * longest + here.starts)[chosen]), send(spans[chosen]))
    here, owner, spans = here[chosen], owner[chosen], spans[chosen]
    n = lengths - sum(outer)
    sums = sum_of_ranges(flat, send(np.arange(len(lengths)) * longest + outer[0]), send(n))
    if without_target:
        left = n[owner] - spans
        kept = np.flatnonzero(left > 0)
        contexts = (sums[send(owner[kept])] - of_words[send(kept)]) / send(left[kept])[:, None]
        rows, here, n_alone = np.arange(len(kept)), here[kept], len(left) - len(kept)
    else:
        used, rows = np.unique(owner, return_inverse=True)
        contexts, n_alone = sums[send(used)] / send(n[used])[:, None], 0
    return TargetContexts(_half(contexts), rows.astype(np.int32), here.words.astype(np.int32), here.drawn, n_alone)


def _half(contexts: Tensor) -> np.ndarray:
    halved: np.ndarray = contexts.half().cpu().numpy()
    if not np.isfinite(halved).all():
        raise ValueError(
            f"the encoder's states reach {float(contexts.abs().max()):.3g}, which half precision cannot hold; choose "
            "an earlier --layer"
        )
    return halved
