"""Training word vectors against their contexts: X2Static (Gupta and Jaggi 2021) in large steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from hf_mplm.data.batches.randomness import random_words

from .context_parts import Section
from .grouping import sum_by_group
from .occurrences import random_stream, uniform
from .settings import ExtractionSettings
from .sparse_adam import SparseAdam
from .targets import NegativeSampler, TargetReader


__all__ = ["Gradient", "Training", "random_vectors", "target_loss", "train_vectors"]

# Random words that are drawn in one call.
_ROWS = 4096


class Gradient(NamedTuple):
    """Loss of some targets and its gradient.

    Args:
        loss (`Tensor`): mean over the targets. Shape: ().
        rows (`Tensor`): words that it depends on, sorted. Shape: (touched,), int64.
        gradients (`Tensor`): Shape: (touched, size).
    """

    loss: Tensor
    rows: Tensor
    gradients: Tensor


def target_loss(vectors: Tensor, contexts: Tensor, words: Tensor, negatives: Tensor) -> Gradient:
    """softplus(-c.e_w) + the sum over negatives of softplus(c.e_n), mean over targets, with its gradient.

    The context c is the encoder's and stays as it is; a negative may be the target itself, as in the published code.

    Args:
        vectors (`Tensor`): of all words. Shape: (words, size).
        contexts (`Tensor`): Shape: (targets, size).
        words (`Tensor`): the targets' words. Shape: (targets,), int64.
        negatives (`Tensor`): words drawn against them. Shape: (targets, negatives), int64.
    """
    every = torch.cat([words[:, None], negatives], dim=1)
    scores = (F.embedding(every, vectors) @ contexts[:, :, None]).squeeze(-1)
    losses = F.softplus(scores)
    # softplus(-s) = softplus(s) - s, whose derivative is sigmoid(s) - 1.
    loss = (losses.sum(1) - scores[:, 0]).mean()
    slopes = torch.sigmoid(scores)
    slopes[:, 0] -= 1
    slopes /= len(words)
    owners = torch.arange(len(words), device=words.device).repeat_interleave(every.shape[1])
    rows, gradients = sum_by_group(contexts, every.flatten(), index=owners, weights=slopes.flatten())
    return Gradient(loss, rows, gradients)


class Training(NamedTuple):
    """What training gave.

    Args:
        vectors (`np.ndarray`): Shape: (words, size), float32.
        losses (`list[float]`): mean loss of a target in each epoch.
        targets (`list[int]`): targets of each epoch.
        trained (`np.ndarray`): whether a word was a target at all. Shape: (words,), bool.
    """

    vectors: np.ndarray
    losses: list[float]
    targets: list[int]
    trained: np.ndarray


def random_vectors(n: int, size: int, *, seed: int, language: str) -> np.ndarray:
    """Uniform numbers in [-1 / size, 1 / size), as the published code starts. Shape: (n, size), float32."""
    stream = random_stream("vectors", language)
    vectors = np.empty((n, size), dtype=np.float32)
    for start in range(0, n, _ROWS):
        rows = np.arange(start, min(start + _ROWS, n), dtype=np.uint64)
        vectors[rows] = (2 * uniform(random_words(seed, stream, rows, size)) - 1) / size
    return vectors


def train_vectors(
    vectors: np.ndarray,
    counts: np.ndarray,
    sections: Sequence[Section],
    settings: ExtractionSettings,
    language: str,
    device: torch.device,
) -> Training:
    """Train the vectors of one language.

    Args:
        vectors (`np.ndarray`): where to start. Shape: (words, size), float32.
        counts (`np.ndarray`): how often each word occurs. Shape: (words,).
        sections (`Sequence[Section]`): contexts, in the order of the corpus.
        settings (`ExtractionSettings`): how.
        language (`str`): code.
        device (`torch.device`): where.

    Raises:
        ValueError: if the loss is no number any more.
    """
    table = torch.from_numpy(vectors).to(device, copy=True)
    optimizer = SparseAdam(table, settings.learning_rate)
    named = {"seed": settings.seed, "language": language}
    reader = TargetReader(sections, targets_per_step=settings.targets_per_step, **named)  # type: ignore[arg-type]
    sampler = NegativeSampler(counts, negatives=settings.negatives, **named)  # type: ignore[arg-type]
    losses, targets = [], []
    trained = np.zeros(len(vectors), dtype=bool)
    for epoch in range(settings.epochs):
        total, n = torch.zeros((), dtype=torch.float64, device=device), 0
        for batch in reader.epoch(epoch):
            negatives = torch.from_numpy(sampler.draw(batch.first, len(batch.words))).to(device)
            contexts = torch.from_numpy(batch.contexts).to(device).float()
            found = target_loss(table, contexts, torch.from_numpy(batch.words).to(device), negatives)
            optimizer.step(found.rows, found.gradients)
            total += found.loss * len(batch.words)
            n += len(batch.words)
            trained[batch.words] = True
        losses.append(float(total) / max(n, 1))
        targets.append(n)
        if not np.isfinite(losses[-1]):
            raise ValueError(
                f"{language}: the loss of epoch {epoch + 1} is {losses[-1]}; give a smaller --learning_rate"
            )
    return Training(table.cpu().numpy(), losses, targets, trained)
