from __future__ import annotations

import numpy as np


__all__ = ["centre", "csls_penalty", "mining_f1", "normalise", "retrieval_ranks", "retrieve"]

# Scores that are held at once: 4 million float32 are 16 MB, whatever the number of sentences.
SCORES_PER_CHUNK = 4_000_000


def normalise(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors to unit length.

    Args:
        vectors (`np.ndarray`): Shape: (n, dimension).

    Returns:
        `np.ndarray`: Unit vectors, float32; a zero vector stays zero. Shape: (n, dimension).
    """
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


def csls_penalty(vectors: np.ndarray, others: np.ndarray, k: int) -> np.ndarray:
    """Mean cosine of each vector to its `k` nearest vectors of the other side.

    Source: Conneau et al. (2018), Word Translation without Parallel Data, equation 2.

    Args:
        vectors (`np.ndarray`): Unit vectors. Shape: (n, dimension).
        others (`np.ndarray`): Unit vectors. Shape: (m, dimension).
        k (`int`): Number of neighbours, at most m.

    Returns:
        `np.ndarray`: Shape: (n,), float32.
    """
    k = min(k, len(others))
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
        first. Shapes: (n,) and (n,), int64.

    Raises:
        ValueError: If there are fewer answers than queries.
    """
    if len(index) < len(queries):
        raise ValueError(f"{len(queries)} queries have only {len(index)} answers: the two sides must be aligned")
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
    return ranks, nearest


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
