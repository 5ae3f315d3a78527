from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from hf_mplm.evaluation.kinds.retrieval import retrieval_accuracy
from hf_mplm.evaluation.metrics import similarity
from hf_mplm.evaluation.metrics.similarity import (
    best_ranks,
    centre,
    csls_penalty,
    mining_f1,
    normalise,
    retrieval_ranks,
    retrieve,
)


def faiss_ranks(queries: np.ndarray, index: np.ndarray) -> np.ndarray:
    """The place of row i of the index in the answers to query i, as the papers' code finds it."""
    queries, index = queries.astype(np.float32).copy(), index.astype(np.float32).copy()
    faiss.normalize_L2(queries)
    faiss.normalize_L2(index)
    flat = faiss.IndexFlatL2(index.shape[1])
    flat.add(index)
    _, answers = flat.search(queries, len(index))
    return np.array([int(np.flatnonzero(row == number)[0]) for number, row in enumerate(answers)])


@pytest.fixture
def vectors() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    queries = generator.normal(size=(150, 24)).astype(np.float32)
    return queries, queries + generator.normal(scale=1.5, size=queries.shape).astype(np.float32)


def test_ranks_equal_faiss(vectors):
    queries, index = vectors
    assert 0 < (retrieval_ranks(queries, index) == 0).mean() < 1
    np.testing.assert_array_equal(retrieval_ranks(queries, index), faiss_ranks(queries, index))
    np.testing.assert_array_equal(retrieval_ranks(index, queries), faiss_ranks(index, queries))


def test_direction_matters(vectors):
    queries, index = vectors
    forward = retrieval_accuracy(queries, index, direction="source->target")
    backward = retrieval_accuracy(queries, index, direction="target->source")
    assert forward != backward
    assert forward["accuracy@5"] == (faiss_ranks(queries, index) < 5).mean()
    assert backward["accuracy@5"] == (faiss_ranks(index, queries) < 5).mean()


@pytest.mark.parametrize("size", [10, 37, 150])
def test_ties_go_to_the_smaller_position_as_in_faiss(size):
    # Axis vectors, whose products are exact, so that faiss sees the ties as well.
    axes = np.eye(8, dtype=np.float32)
    generator = np.random.default_rng(size)
    index = axes[generator.integers(0, 8, size)]
    queries = axes[generator.integers(0, 8, size)]
    ranks = retrieval_ranks(queries, index)
    assert len(set(ranks.tolist())) > 1
    np.testing.assert_array_equal(ranks, faiss_ranks(queries, index))


def test_equal_vectors_tie_to_the_last_bit(monkeypatch):
    generator = np.random.default_rng(1)
    distinct = generator.normal(size=(7, 129)).astype(np.float32)
    members = generator.integers(0, 7, 101)
    index = distinct[members]
    ranks = retrieval_ranks(index, index)
    # A query finds all the copies of its answer first, in their order.
    expected = [int((members[:position] == member).sum()) for position, member in enumerate(members)]
    np.testing.assert_array_equal(ranks, expected)


def test_chunks_change_nothing(vectors, monkeypatch):
    queries, index = vectors
    whole = retrieval_ranks(queries, index), retrieval_ranks(queries, index, csls=10)
    monkeypatch.setattr(similarity, "SCORES_PER_CHUNK", 7 * len(index))
    np.testing.assert_array_equal(retrieval_ranks(queries, index), whole[0])
    np.testing.assert_array_equal(retrieval_ranks(queries, index, csls=10), whole[1])


def test_csls_equals_its_definition(vectors):
    queries, index = (normalise(side).astype(np.float64) for side in vectors)
    cosines = queries @ index.T
    of_queries = np.sort(cosines, axis=1)[:, -10:].mean(axis=1)
    of_index = np.sort(cosines, axis=0)[-10:].mean(axis=0)
    scores = 2 * cosines - of_queries[:, None] - of_index[None, :]
    expected = (scores > np.diag(scores)[:, None]).sum(axis=1)
    np.testing.assert_array_equal(retrieval_ranks(*vectors, csls=10), expected)
    assert (expected != retrieval_ranks(*vectors)).any()
    np.testing.assert_allclose(csls_penalty(normalise(vectors[1]), normalise(vectors[0]), 10), of_index, rtol=1e-5)


def test_centring_removes_a_language_offset(vectors):
    queries, index = vectors
    shifted = index + 100 * np.ones(index.shape[1], dtype=np.float32)
    plain = retrieval_accuracy(queries, index, setting="centred")
    assert retrieval_accuracy(queries, shifted, setting="centred") == pytest.approx(plain, abs=0.02)
    assert retrieval_accuracy(queries, shifted)["accuracy@1"] < plain["accuracy@1"]
    np.testing.assert_allclose(centre(shifted).mean(axis=0), 0, atol=1e-4)


def test_more_answers_than_queries(vectors):
    queries, index = vectors
    np.testing.assert_array_equal(retrieval_ranks(queries[:20], index), faiss_ranks(queries[:20], index))


def test_sides_must_be_aligned(vectors):
    queries, index = vectors
    with pytest.raises(ValueError, match="150 queries have only 149 answers"):
        retrieval_ranks(queries, index[:-1])
    with pytest.raises(ValueError, match="cannot be aligned"):
        retrieval_accuracy(queries[:-1], index)


@pytest.mark.parametrize(("name", "value"), [("direction", "forward"), ("setting", "centered")])
def test_unknown_choices_are_named(vectors, name, value):
    with pytest.raises(ValueError, match=f"'{value}' is not known"):
        retrieval_accuracy(*vectors, **{name: value})


def test_f1_of_bitext_mining_is_scikit_learns_weighted_f1():
    generator = np.random.default_rng(0)
    for n in (1, 2, 50):
        nearest = generator.integers(0, n, n)
        expected = f1_score(np.arange(n), nearest, average="weighted", zero_division=0)
        assert mining_f1(nearest) == pytest.approx(expected)
    # A hub that every query finds is right once and wrong n - 1 times.
    assert mining_f1(np.zeros(10, dtype=np.int64)) == pytest.approx(2 / 11 / 10)
    assert mining_f1(np.arange(10)) == 1.0


def test_what_is_found_first_agrees_with_the_ranks(vectors):
    queries, index = vectors
    ranks, nearest = retrieve(queries, np.concatenate([index, index]))
    np.testing.assert_array_equal(nearest == np.arange(len(queries)), ranks == 0)
    assert (nearest < len(index)).all()
    assert 0 < (ranks == 0).mean() < 1


def test_only_the_plain_setting_has_the_f1(vectors):
    plain = retrieval_accuracy(*vectors)
    assert plain["f1"] <= plain["accuracy@1"]
    assert "f1" not in retrieval_accuracy(*vectors, setting="csls")


def test_tensors_give_what_arrays_give(vectors, monkeypatch):
    queries, index = (normalise(side) for side in vectors)
    tensors = [normalise(torch.from_numpy(side)) for side in vectors]
    np.testing.assert_allclose(tensors[0].numpy(), queries, atol=1e-6)
    assert not normalise(torch.zeros(1, 4)).any()
    for k in (1, 10, 1000):
        expected = csls_penalty(queries, index, k)
        np.testing.assert_allclose(csls_penalty(*tensors, k).numpy(), expected, atol=1e-6)
        monkeypatch.setattr(similarity, "SCORES_PER_CHUNK", 7 * len(index))
        np.testing.assert_allclose(csls_penalty(*tensors, k).numpy(), expected, atol=1e-6)
        monkeypatch.undo()
    own = [[row] for row in range(len(queries))]
    penalty = csls_penalty(tensors[1], tensors[0], 10)
    np.testing.assert_array_equal(best_ranks(*tensors, own), retrieval_ranks(*vectors))
    np.testing.assert_array_equal(best_ranks(*tensors, own, penalty), retrieval_ranks(*vectors, csls=10))
    assert (retrieval_ranks(*vectors) != retrieval_ranks(*vectors, csls=10)).any()


@pytest.mark.parametrize("per_chunk", [50, 4_000_000])
def test_the_best_of_several_answers_counts_and_ties_go_to_the_smaller_position(per_chunk, monkeypatch):
    monkeypatch.setattr(similarity, "SCORES_PER_CHUNK", per_chunk)
    generator = np.random.default_rng(3)
    distinct = normalise(generator.normal(size=(9, 33)).astype(np.float32))
    members = generator.integers(0, 9, 40)
    index, queries = torch.from_numpy(distinct[members]), torch.from_numpy(distinct[generator.integers(0, 9, 25)])
    gold = [sorted(set(generator.integers(0, 40, 3).tolist())) for _ in range(25)]
    expected = []
    for query, answers in zip(queries.numpy(), gold):
        by_kind = [float(distinct[kind].astype(np.float64) @ query) for kind in range(9)]
        order = sorted(range(40), key=lambda place: (-by_kind[members[place]], place))
        expected.append(min(order.index(answer) for answer in answers))
    assert best_ranks(queries, index, gold).tolist() == expected
    # Neither the first of the answers alone nor the last would do.
    assert best_ranks(queries, index, [answers[:1] for answers in gold]).tolist() != expected


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_vectors_that_are_not_finite_find_nothing_and_are_refused(wrong: float) -> None:
    vectors = np.eye(4, dtype=np.float32)
    assert not retrieve(vectors, vectors)[0].any()
    broken = vectors.copy()
    broken[2, 1] = wrong
    for sides in ((broken, vectors), (vectors, broken)):
        with pytest.raises(ValueError, match="NaN or infinite"):
            retrieve(*sides)
