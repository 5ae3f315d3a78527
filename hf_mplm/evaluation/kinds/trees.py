"""Dependency trees: the best tree under scores of its arcs, and how right a tree is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np


__all__ = ["attachment_scores", "best_tree"]


def best_tree(scores: np.ndarray) -> np.ndarray:
    """Find the tree with the largest sum of arc scores in which exactly one word hangs from the root.

    This is the maximum spanning arborescence of Chu & Liu (1965) and Edmonds (1967). A single root is had by lowering
    all arcs from the root by more than any tree can gain: then one of them is used, which every tree needs, and no
    second one.

    Args:
        scores (`np.ndarray`): `scores[d, h]` is the score of word `d + 1` having the head `h`, where 0 is the root.
            Shape: (words, words + 1), finite.

    Returns:
        `np.ndarray`: The head of each word, int64. Shape: (words,).

    Raises:
        ValueError: If a score is not finite.
    """
    words = scores.shape[0]
    if not np.isfinite(scores).all():
        raise ValueError("arc scores are not finite; the parser has diverged, lower its learning rate")
    weights = np.full((words + 1, words + 1), -np.inf)
    weights[1:] = scores
    np.fill_diagonal(weights, -np.inf)
    if words:
        weights[1:, 0] -= 1 + words * float(np.ptp(scores))
    heads = weights[1:].argmax(axis=1)
    # Where the best heads already form such a tree, nothing can be better.
    if np.count_nonzero(heads == 0) == 1 and _find_cycle(np.concatenate([[0], heads])) is None:
        return heads
    return _arborescence(weights)[1:]


def attachment_scores(
    gold_heads: Sequence[Sequence[int]],
    gold_relations: Sequence[Sequence[Hashable]],
    heads: Sequence[Sequence[int]],
    relations: Sequence[Sequence[Hashable]],
) -> dict[str, float]:
    """Score trees word by word, punctuation included, as Universal Dependencies does.

    Args:
        gold_heads (`Sequence[Sequence[int]]`): The right head of each word of each sentence.
        gold_relations (`Sequence[Sequence[Hashable]]`): The right relations.
        heads (`Sequence[Sequence[int]]`): The predicted heads.
        relations (`Sequence[Sequence[Hashable]]`): The predicted relations.

    Returns:
        `dict[str, float]`: `uas`, the share of words with the right head, and `las`, with the right relation as well.

    Raises:
        ValueError: If a sentence differs in its number of words, or there is no word.
    """
    total = attached = labelled = 0
    for true_heads, true_relations, guessed_heads, guessed_relations in zip(
        gold_heads, gold_relations, heads, relations, strict=True
    ):
        for head, relation, guess, label in zip(
            true_heads, true_relations, guessed_heads, guessed_relations, strict=True
        ):
            total += 1
            if head == guess:
                attached += 1
                labelled += relation == label
    if not total:
        raise ValueError("there are no words to score")
    return {"uas": attached / total, "las": labelled / total}


def _find_cycle(heads: np.ndarray) -> list[int] | None:
    """Find a cycle among heads in which 0 is the root."""
    state = np.zeros(len(heads), dtype=np.int8)
    state[0] = 2
    for start in range(1, len(heads)):
        path = []
        node = start
        while state[node] == 0:
            state[node] = 1
            path.append(node)
            node = int(heads[node])
        if state[node] == 1:
            return path[path.index(node) :]
        state[path] = 2
    return None


def _arborescence(weights: np.ndarray) -> np.ndarray:
    """Contract cycles until there are none; `weights[d, h]` with the root as node 0."""
    heads = weights.argmax(axis=1)
    heads[0] = 0
    cycle = _find_cycle(heads)
    if cycle is None:
        return heads
    inside = np.zeros(len(heads), dtype=bool)
    inside[cycle] = True
    outside = np.flatnonzero(~inside)
    members = np.array(cycle)
    # What it costs to enter the cycle at a node instead of by its arc within the cycle.
    entering = weights[np.ix_(members, outside)] - weights[members, heads[members]][:, None]
    leaving = weights[np.ix_(outside, members)]
    entry, exit_ = entering.argmax(axis=0), leaving.argmax(axis=1)
    size = len(outside)
    smaller = np.full((size + 1, size + 1), -np.inf)
    smaller[:size, :size] = weights[np.ix_(outside, outside)]
    smaller[size, :size] = entering[entry, np.arange(size)]
    smaller[:size, size] = leaving[np.arange(size), exit_]
    chosen = _arborescence(smaller)
    result = heads.copy()
    for index, node in enumerate(outside):
        if index:
            head = int(chosen[index])
            result[node] = members[exit_[index]] if head == size else outside[head]
    into = int(chosen[size])
    result[members[entry[into]]] = outside[into]
    return result
