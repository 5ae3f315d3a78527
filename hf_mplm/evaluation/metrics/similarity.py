from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
import xxhash
from torch import Tensor


__all__ = ["best_ranks", "centre", "csls_penalty", "mining_f1", "normalise", "retrieval_ranks", "retrieve"]

Vectors = TypeVar("Vectors", np.ndarray, Tensor)

# Scores that are held at once: 4 million float32 are 16 MB, whatever the number of sentences.
SCORES_PER_CHUNK = 4_000_000
SCORES_PER_CHUNK_OF_ACCELERATOR = 64_000_000


def normalise(vectors: Vectors) -> Vectors:
    """Scale vectors to unit length.

    Args:
        vectors (`np.ndarray` or `Tensor`): Shape: (n, dimension).

    Returns:
        `np.ndarray` or `Tensor`: Unit vectors, float32; a zero vector stays zero. Shape: (n, dimension).
    """
    if isinstance(vectors, Tensor):
        vectors = vectors.float()
        lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        return vectors / torch.where(lengths == 0, torch.ones_like(lengths), lengths)
    vectors = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def centre(vectors: np.ndarray) -> np.ndarray:
    """Subtract the mean vector, which is most of what tells one language's sentences from another's.

    Args:
        vectors (`np.ndarray`): The sentences of one language. Shape: (n, dimension).

    Returns:
        `np.ndarray`: Vectors of mean zero, float32. Shape: (n, dimension).
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)


def csls_penalty(vectors: Vectors, others: Vectors, k: int) -> Vectors:
    """Mean cosine of each vector to its `k` nearest vectors of the other side, a block of them at a time.

    Source: Conneau et al. (2018), Word Translation without Parallel Data, equation 2.

    Args:
        vectors (`np.ndarray` or `Tensor`): Unit vectors; tensors may lie on an accelerator. Shape: (n, dimension).
        others (`np.ndarray` or `Tensor`): Unit vectors of the same kind. Shape: (m, dimension).
        k (`int`): Number of neighbours, at most m.

    Returns:
        `np.ndarray` or `Tensor`: Shape: (n,), float32.
    """
    k = min(k, len(others))
    if isinstance(vectors, Tensor):
        step = _block(vectors, len(others))
        blocks = [(block @ others.T).topk(k, dim=1).values.mean(dim=1) for block in vectors.split(step)]
        return torch.cat(blocks) if blocks else vectors.new_empty(0)
    penalty = np.empty(len(vectors), dtype=np.float32)
    step = max(1, SCORES_PER_CHUNK // max(1, len(others)))
    for start in range(0, len(vectors), step):
        scores = vectors[start : start + step] @ others.T
        nearest = np.partition(scores, len(others) - k, axis=1)[:, len(others) - k :]
        penalty[start : start + step] = nearest.mean(axis=1)
    return penalty


def retrieve(queries: np.ndarray, index: np.ndarray, *, csls: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rank of each query's own answer, that is how many vectors of the index come before it, and what comes first.

    Vectors are compared by cosine. Of equal scores the smaller position comes first, as in faiss' `IndexFlatL2` over
    unit vectors; equal vectors score equally to the last bit.

    Args:
        queries (`np.ndarray`): Shape: (n, dimension).
        index (`np.ndarray`): Row i is the answer to query i. Shape: (m, dimension), m >= n.
        csls (`int`, *optional*, defaults to 0): Neighbours for cross-domain similarity local scaling; 0 is the plain
            cosine.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: Ranks, 0 where the answer was found first, and the position of what was found
        first. A query of length zero, which is like nothing, finds nothing: both are m. Shapes: (n,) and (n,), int64.

    Raises:
        ValueError: If there are fewer answers than queries, or numbers that are not finite.
    """
    if len(index) < len(queries):
        raise ValueError(f"{len(queries)} queries have only {len(index)} answers: the two sides must be aligned")
    # No comparison with NaN holds, so that every answer would count as found first.
    if not (np.isfinite(queries).all() and np.isfinite(index).all()):
        raise ValueError("the vectors hold NaN or infinite numbers; the model's weights are damaged, or overflow")
    queries, index = normalise(queries), normalise(index)
    # Equal vectors may differ in the last bit of a product, depending on their place in the matrix. One product for
    # all of them makes a tie a tie.
    distinct, members = np.unique(index, axis=0, return_inverse=True)
    members = members.reshape(-1)
    # Of a query only the order of its own scores matters, so its own penalty can be left out.
    penalty = csls_penalty(distinct, queries, csls) / 2 if csls else np.zeros(len(distinct), dtype=np.float32)
    ranks, nearest = np.empty(len(queries), dtype=np.int64), np.empty(len(queries), dtype=np.int64)
    positions = np.arange(len(index))
    step = max(1, SCORES_PER_CHUNK // max(1, len(index)))
    for start in range(0, len(queries), step):
        scores = (queries[start : start + step] @ distinct.T - penalty)[:, members]
        own = np.arange(start, start + len(scores))
        gold = scores[np.arange(len(scores)), own][:, None]
        before = (scores > gold) | ((scores == gold) & (positions < own[:, None]))
        ranks[start : start + step] = before.sum(axis=1)
        nearest[start : start + step] = scores.argmax(axis=1)
    nothing = ~queries.any(axis=1)
    ranks[nothing], nearest[nothing] = len(index), len(index)
    return ranks, nearest


def best_ranks(queries: Tensor, index: Tensor, gold: Sequence[Sequence[int]], penalty: Tensor | None = None) -> Tensor:
    """Rank of the best of several answers to each query, as lexicon induction asks for it.

    Of equal scores the smaller position comes first; equal vectors score equally to the last bit, as in [`retrieve`].

    Args:
        queries (`Tensor`): Unit vectors. Shape: (n, dimension).
        index (`Tensor`): Unit vectors on the same device, of which all are candidates. Shape: (m, dimension).
        gold (`Sequence[Sequence[int]]`): Positions in the index of what is right for each query, one or more.
        penalty (`Tensor`, *optional*): What [`csls_penalty`] gives for the index against the whole other side; none
            is the plain cosine. Of a query only the order of its own scores matters, so its own is left out.
            Shape: (m,).

    Returns:
        `Tensor`: How many candidates come before the best answer; 0 where one was found first. Shape: (n,), int64.
    """
    members = _first_of_equals(index)
    chosen, place = members.unique(return_inverse=True)
    # Equal vectors have one score and one penalty each, whatever their place in a product.
    distinct = index[chosen]
    half = None if penalty is None else penalty[chosen] / 2
    positions = torch.arange(len(index), device=index.device)
    ranks = torch.empty(len(queries), dtype=torch.int64)
    step = _block(queries, len(index))
    for start in range(0, len(queries), step):
        scores = queries[start : start + step] @ distinct.T
        if half is not None:
            scores -= half
        scores = scores[:, place]
        for row, answers in enumerate(gold[start : start + step]):
            # The best by score, and of those with equal scores the first.
            own = torch.as_tensor(sorted(answers), device=index.device)
            best = own[scores[row, own].argmax()]
            value = scores[row, best]
            before = (scores[row] > value) | ((scores[row] == value) & (positions < best))
            ranks[start + row] = before.sum()
    return ranks


def _block(vectors: Tensor, others: int) -> int:
    scores = SCORES_PER_CHUNK if vectors.device.type == "cpu" else SCORES_PER_CHUNK_OF_ACCELERATOR
    return max(1, scores // max(1, others))


def _first_of_equals(vectors: Tensor) -> Tensor:
    """The position of the first vector that is the same, for each vector. Shape: (n,), int64."""
    rows = np.ascontiguousarray(vectors.cpu().numpy() + 0.0)  # so that -0 is 0
    first: dict[int, int] = {}
    places = [first.setdefault(xxhash.xxh3_128_intdigest(row.data), place) for place, row in enumerate(rows)]
    return torch.tensor(places, device=vectors.device)


def retrieval_ranks(queries: np.ndarray, index: np.ndarray, *, csls: int = 0) -> np.ndarray:
    """Rank of each query's own answer.

    Args:
        queries (`np.ndarray`): Shape: (n, dimension).
        index (`np.ndarray`): Row i is the answer to query i. Shape: (m, dimension), m >= n.
        csls (`int`, *optional*, defaults to 0): Neighbours for CSLS; 0 is the plain cosine.

    Returns:
        `np.ndarray`: What [`retrieve`] returns first. Shape: (n,), int64.
    """
    return retrieve(queries, index, csls=csls)[0]


def mining_f1(nearest: np.ndarray) -> float:
    """F1 of bitext mining as MTEB reports it (Muennighoff et al. 2023): each sentence of the index is a class.

    It is never above the accuracy, because a sentence that several queries find is right for one of them only.

    Args:
        nearest (`np.ndarray`): What each query found first, query i having the answer i. Shape: (n,), int64.

    Returns:
        `float`: The mean over the answers of their F1.
    """
    n = len(nearest)
    found = np.bincount(nearest, minlength=n)[:n]
    # One true item a class, so that precision and recall share their numerator: F1 = 2 TP / (found + 1).
    return float((2.0 * (nearest == np.arange(n)) / (found + 1.0)).mean())
