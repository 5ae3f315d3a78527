"""Dictionary and mapping in turn, each from the other, until neither gets better (Artetxe et al. 2018b)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .mapping import fit_orthogonal, normalise_vectors
from .neighbours import Similarities


__all__ = ["SelfLearning", "SelfLearningResult", "initial_pairs", "joined_pairs", "self_learn"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SelfLearning:
    """Settings of self-learning; the defaults are those of 2018b, section 3.3.

    Args:
        vocabulary_cutoff (`int`): the most frequent so many words of each side take part.
        csls_neighbours (`int`): k of CSLS.
        keep (`float`): probability with which a score is kept at the start.
        factor (`float`): what it is multiplied by where nothing was gained for a while.
        patience (`int`): iterations without a gain after which it is.
        threshold (`float`): what counts as a gain of the mean best cosine.
        unsupervised_vocabulary (`int`): words of each side from which the first dictionary is guessed without any.
        seed (`int`): of what is kept.
    """

    vocabulary_cutoff: int = 20_000
    csls_neighbours: int = 10
    keep: float = 0.1
    factor: float = 2.0
    patience: int = 50
    threshold: float = 1e-6
    unsupervised_vocabulary: int = 4_000
    seed: int = 42


class SelfLearningResult(NamedTuple):
    """What was learnt.

    Args:
        pairs (`Tensor`): the last dictionary: positions in source and target. Shape: (pairs, 2), int64.
        objective (`float`): mean best cosine at the end.
        iterations (`int`): how many there were.
    """

    pairs: Tensor
    objective: float
    iterations: int


def self_learn(source: Tensor, target: Tensor, pairs: Tensor, settings: SelfLearning) -> SelfLearningResult:
    """Improve a dictionary.

    Args:
        source (`Tensor`): normalised vectors, the most frequent words first. Shape: (source words, dimensions).
        target (`Tensor`): the same. Shape: (target words, dimensions).
        pairs (`Tensor`): a first dictionary. Shape: (pairs, 2), int64.
        settings (`SelfLearning`): how.
    """
    size = settings.vocabulary_cutoff
    generator = torch.Generator(device=source.device).manual_seed(settings.seed)
    keep, best, since, iteration = settings.keep, -1.0, 0, 0
    similarities: Similarities | None = None
    while True:
        iteration += 1
        # Orthogonal meanwhile, whatever method is chosen for the end (2018b, section 3.3). Words of the first
        # dictionary may stand behind the cutoff.
        # In float32, whose rounding is nothing beside what the next dictionary changes.
        rotation = fit_orthogonal(source, target, pairs, dtype=torch.float32)
        if similarities is None:
            similarities = Similarities(source[:size] @ rotation, target[:size], settings.csls_neighbours)
        else:
            similarities.update(source[:size] @ rotation)
        objective = similarities.objective
        if objective >= best + settings.threshold:
            best, since = objective, 0
        else:
            since += 1
        finished = since >= settings.patience and keep >= 1
        if since >= settings.patience and keep < 1:
            keep, since = min(1.0, settings.factor * keep), 0
            logger.info("%d iterations, mean best cosine %.4f; pairs are now kept by %.2g", iteration, objective, keep)
        drawn = joined_pairs(similarities, 1.0 if finished else keep, generator)
        # Of a handful of words chance may keep none.
        pairs = drawn if len(drawn) else joined_pairs(similarities)
        if finished:
            return SelfLearningResult(pairs, objective, iteration)


def joined_pairs(similarities: Similarities, keep: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """The dictionaries of both directions, one after the other (2018b, section 3.3). Shape: (pairs, 2), int64."""
    matches = similarities.match(keep, generator)
    device = matches.forward.device
    forward = torch.stack([torch.arange(len(matches.forward), device=device), matches.forward], dim=1)
    backward = torch.stack([matches.backward, torch.arange(len(matches.backward), device=device)], dim=1)
    return torch.cat([forward[matches.forward >= 0], backward[matches.backward >= 0]])


def initial_pairs(source: Tensor, target: Tensor, settings: SelfLearning) -> Tensor:
    """A first dictionary without any: words whose similarities to the words of their own language are alike.

    The rows of (XX')^1/2 and (ZZ')^1/2, sorted, are signatures that no rotation changes (2018b, section 3.2).

    Args:
        source (`Tensor`): normalised vectors, the most frequent words first. Shape: (source words, dimensions).
        target (`Tensor`): the same. Shape: (target words, dimensions).
        settings (`SelfLearning`): its `unsupervised_vocabulary` and `csls_neighbours`.
    """
    size = min(settings.unsupervised_vocabulary, len(source), len(target))
    signatures = Similarities(_signatures(source[:size]), _signatures(target[:size]), settings.csls_neighbours)
    return joined_pairs(signatures)


def _signatures(vectors: Tensor) -> Tensor:
    left, values, _ = torch.linalg.svd(vectors, full_matrices=False)
    rows = (left * values) @ left.T
    return normalise_vectors(rows.sort(dim=1).values, in_place=True)
