"""Which old tokens a new token resembles, by the company that both keep in some text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase


__all__ = ["similar_tokens"]

_WINDOW = 5
_SMOOTHING = 0.75
_BATCH = 1000


def similar_tokens(
    new_tokenizer: PreTrainedTokenizerBase,
    texts: Iterable[str],
    old_tokenizer: PreTrainedTokenizerBase,
    *,
    neighbours: int = 10,
    temperature: float = 0.1,
    dimensions: int = 100,
    seed: int = 0,
) -> dict[str, dict[int, float]]:
    """The old tokens nearest to each new one, with weights that sum to 1.

    The idea of WECHSEL (Minixhofer et al., 2022) and FOCUS (Dobler and de Melo, 2023): a new row is a mean of old
    rows, weighted by a softmax of cosines of static vectors. Both take fastText; here the vectors are singular vectors
    of the positive pointwise mutual information of tokens in a window of five, with contexts smoothed by 0.75 (Levy
    and Goldberg, 2014; Levy et al., 2015), for which some thousand sentences are enough and no seed decides.

    Args:
        new_tokenizer (`PreTrainedTokenizerBase`): the larger tokenizer; it cuts the text.
        texts (`Iterable[str]`): text in the new languages, and in old ones where they share tokens.
        old_tokenizer (`PreTrainedTokenizerBase`): the tokenizer before.
        neighbours (`int`, *optional*, defaults to 10): old tokens of a new one at most.
        temperature (`float`, *optional*, defaults to 0.1): of the softmax.
        dimensions (`int`, *optional*, defaults to 100): of the vectors.
        seed (`int`, *optional*, defaults to 0): of the decomposition.

    Returns:
        `dict[str, dict[int, float]]`: new token -> old id -> weight. New tokens that the text lacks, or that resemble
        no old one, are not in it.

    Raises:
        ValueError: if the text holds no old or no new token.
    """
    from scipy import sparse
    from sklearn.utils.extmath import randomized_svd

    if isinstance(texts, str):
        raise ValueError("one string was given as texts, whose letters are no sentences; pass [text]")
    size = max(new_tokenizer.get_vocab().values()) + 1
    special = set(new_tokenizer.all_special_ids)
    counts = sparse.csr_matrix((size, size), dtype=np.float64)
    for batch in _batches(texts):
        encoded = new_tokenizer(batch, add_special_tokens=False)["input_ids"]
        counts = counts + _cooccurrences([[i for i in row if i not in special] for row in encoded], size)
    old = old_tokenizer.get_vocab()
    seen = np.flatnonzero(np.diff(counts.indptr))
    tokens = new_tokenizer.convert_ids_to_tokens(seen.tolist())
    is_old = np.array([token in old and index not in special for token, index in zip(tokens, seen)], dtype=bool)
    if not is_old.any() or is_old.all():
        raise ValueError(
            f"the text holds {int(is_old.sum())} old and {int((~is_old).sum())} new tokens in company, and both are "
            'needed: give the text that the new tokens were learned from, or initialise by "subwords"'
        )
    rank = min(dimensions, len(seen) - 1)
    information = _positive_information(counts[seen][:, seen])
    left, values, _ = randomized_svd(information, n_components=rank, random_state=seed)
    vectors = left * np.sqrt(values)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-9)
    anchors = np.array([old[token] for token, known in zip(tokens, is_old) if known])
    # Equal company gives equal cosines but for the last digits, which must not decide.
    cosines = np.round(vectors[~is_old] @ vectors[is_old].T, 6)
    found: dict[str, dict[int, float]] = {}
    for row, token in enumerate(token for token, known in zip(tokens, is_old) if not known):
        order = np.argsort(-cosines[row], kind="stable")[:neighbours]
        order = order[cosines[row][order] > 0]
        if len(order):
            weights = np.exp((cosines[row][order] - cosines[row][order[0]]) / temperature)
            found[token] = dict(zip(anchors[order].tolist(), (weights / weights.sum()).tolist()))
    return found


def _batches(texts: Iterable[str]) -> Iterable[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _cooccurrences(rows: list[list[int]], size: int) -> Any:
    from scipy import sparse

    ids = np.array([index for row in rows for index in row], dtype=np.int64)
    sentence = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    total = sparse.csr_matrix((size, size), dtype=np.float64)
    for distance in range(1, _WINDOW + 1):
        together = sentence[:-distance] == sentence[distance:]
        left, right = ids[:-distance][together], ids[distance:][together]
        pairs = sparse.coo_matrix((np.ones(len(left)), (left, right)), shape=(size, size)).tocsr()
        total = total + pairs + pairs.T
    return total


def _positive_information(counts: Any) -> Any:
    pairs = counts.tocoo()
    total = pairs.data.sum()
    words = np.asarray(counts.sum(axis=1)).ravel()
    contexts = words**_SMOOTHING
    contexts /= contexts.sum()
    pairs.data = np.maximum(np.log(pairs.data / total / (words[pairs.row] / total) / contexts[pairs.col]), 0)
    return pairs.tocsr()
