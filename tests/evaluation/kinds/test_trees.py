from __future__ import annotations

import itertools

import numpy as np
import pytest

from hf_mplm.evaluation.kinds.trees import attachment_scores, best_tree


def is_tree(heads):
    """Every word reaches the root, and one word hangs from it."""
    if list(heads).count(0) != 1:
        return False
    for word in range(1, len(heads) + 1):
        node, steps = word, 0
        while node and steps <= len(heads):
            node, steps = heads[node - 1], steps + 1
        if node:
            return False
    return True


def all_trees(words):
    return [heads for heads in itertools.product(range(words + 1), repeat=words) if is_tree(heads)]


def total(scores, heads):
    return sum(scores[word, head] for word, head in enumerate(heads))


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_no_tree_is_better(words, scale):
    trees = all_trees(words)
    # Cayley: words ** (words - 1) rooted trees.
    assert len(trees) == words ** (words - 1)
    generator = np.random.default_rng(words)
    greedy_failed = 0
    for _ in range(40):
        scores = generator.normal(size=(words, words + 1)) * scale
        heads = best_tree(scores)
        assert is_tree(heads)
        assert total(scores, heads) == pytest.approx(max(total(scores, tree) for tree in trees), rel=1e-9)
        masked = scores.copy()
        masked[np.arange(words), np.arange(1, words + 1)] = -np.inf
        greedy_failed += not is_tree(masked.argmax(axis=1))
    # Taking the best head of each word would not have done.
    assert greedy_failed > 0 or words == 1


def test_one_root_even_where_two_would_score_more():
    scores = np.full((4, 5), -5.0)
    scores[:, 0] = 100.0
    scores[2, 1] = 0.0
    heads = best_tree(scores)
    assert list(heads).count(0) == 1 and is_tree(heads)


def test_nested_cycles():
    """Two cycles that have to be contracted into one another before the root is reached."""
    scores = np.full((4, 5), -100.0)
    for word, head, score in ((1, 2, 50), (2, 1, 50), (3, 4, 50), (4, 3, 50), (1, 3, 40), (3, 1, 40), (2, 0, 1)):
        scores[word - 1, head] = score
    expected = max(all_trees(4), key=lambda tree: total(scores, tree))
    assert list(best_tree(scores)) == list(expected)


def test_long_sentences_and_ties():
    generator = np.random.default_rng(0)
    assert is_tree(best_tree(generator.normal(size=(150, 151))))
    assert is_tree(best_tree(np.zeros((30, 31))))


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        best_tree(np.array([[np.nan, 0.0]]))


def test_attachment_scores_by_hand():
    gold = [[2, 0, 2], [0]]
    relations = [["det", "root", "punct"], ["root"]]
    predicted = [[2, 0, 1], [0]]
    labels = [["nsubj", "root", "punct"], ["root"]]
    # Heads of three words of four are right, of which one has the wrong relation.
    assert attachment_scores(gold, relations, predicted, labels) == {"uas": 3 / 4, "las": 2 / 4}
    with pytest.raises(ValueError, match="no words"):
        attachment_scores([], [], [], [])
    with pytest.raises(ValueError, match="zip"):
        attachment_scores(gold, relations, [[2, 0], [0]], labels)
