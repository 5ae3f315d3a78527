from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hf_mplm.static.extraction import targets as targets_module
from hf_mplm.static.extraction.context_parts import Section
from hf_mplm.static.extraction.grouping import sum_by_group, sum_of_ranges
from hf_mplm.static.extraction.occurrences import draw_occurrences, expected_occurrences, keep_probabilities
from hf_mplm.static.extraction.settings import ExtractionSettings
from hf_mplm.static.extraction.sparse_adam import SparseAdam
from hf_mplm.static.extraction.targets import NegativeSampler, TargetReader
from hf_mplm.static.extraction.training import random_vectors, target_loss, train_vectors


def plain_loss(table, contexts, words, negatives):
    """The published loss, target by target."""
    total = 0
    for context, word, others in zip(contexts, words, negatives):
        total = total + F.softplus(-(context @ table[word]))
        for other in others:
            total = total + F.softplus(context @ table[other])
    return total / len(words)


def test_a_step_is_autograd_over_a_dense_table():
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(9, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    contexts = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    # Words 7 and 8 are never touched; 2 is a target twice, its own negative once, and a negative of others.
    words = torch.tensor([0, 2, 2, 1, 3, 5, 6])
    negatives = torch.randint(0, 7, (7, 10), generator=generator)
    negatives[1, 0] = 2
    loss = plain_loss(table, contexts, words, negatives)
    loss.backward()
    found = target_loss(table.detach(), contexts, words, negatives)
    assert found.loss.item() == pytest.approx(loss.item(), rel=1e-12)
    assert found.rows.tolist() == sorted({*words.tolist(), *negatives.flatten().tolist()}) and 8 not in found.rows
    dense = torch.zeros_like(table)
    dense[found.rows] = found.gradients
    assert torch.allclose(dense, table.grad, rtol=1e-12, atol=1e-14) and table.grad[7:].abs().sum() == 0
    assert found.gradients.abs().min() > 0


def test_sums_by_group_and_of_ranges_are_plain_sums():
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(6, 3, generator=generator)
    groups, index = torch.tensor([4, 1, 4, 9, 1]), torch.tensor([0, 5, 5, 2, 1])
    weights = torch.randn(5, generator=generator)
    unique, sums = sum_by_group(values, groups, index=index, weights=weights)
    assert unique.tolist() == [1, 4, 9]
    for group, total in zip(unique, sums):
        members = [i for i in range(5) if groups[i] == group]
        assert torch.allclose(total, sum(weights[i] * values[index[i]] for i in members))
    starts, lengths = torch.tensor([0, 2, 1, 3]), torch.tensor([2, 0, 4, 1])
    for start, length, total in zip(starts, lengths, sum_of_ranges(values, starts, lengths)):
        assert torch.allclose(total, values[start : start + length].sum(0))


def test_adam_is_torchs_on_sparse_gradients():
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(6, 4, generator=generator)
    theirs, ours = torch.nn.Parameter(start.clone()), start.clone()
    dense = torch.nn.Parameter(start.clone())
    reference, optimizer = torch.optim.SparseAdam([theirs], lr=1e-2), SparseAdam(ours, 1e-2)
    other = torch.optim.Adam([dense], lr=1e-2)
    for rows in ([0, 3], [3, 5], [1], [0, 1, 3]):
        gradients = torch.randn(len(rows), 4, generator=generator)
        theirs.grad = torch.sparse_coo_tensor(torch.tensor([rows]), gradients, theirs.shape)
        dense.grad = torch.zeros_like(dense).index_put((torch.tensor(rows),), gradients)
        reference.step()
        other.step()
        optimizer.step(torch.tensor(rows), gradients)
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    # Dense Adam moves rows by what is left of earlier gradients.
    assert not torch.allclose(ours, dense, atol=1e-3) and (ours[2] == start[2]).all() and (ours[4] == start[4]).all()


def make_section(n_targets=50, n_words=7, epochs=3, seed=0, size=4, per_context=1):
    random = np.random.default_rng(seed)
    rows = (np.arange(n_targets) // per_context).astype(np.int32)
    contexts = random.normal(size=(rows[-1] + 1, size)).astype(np.float16)
    words = random.integers(0, n_words, n_targets).astype(np.int32)
    drawn = random.random((n_targets, epochs)) < 0.6
    none = np.empty(0, dtype=np.int64)
    return Section(contexts, rows, words, drawn, none, none, np.empty((0, size), dtype=np.float32))


@pytest.mark.parametrize("per_context", [1, 3])
def test_an_epoch_has_each_drawn_target_once_with_its_context(monkeypatch, per_context):
    monkeypatch.setattr(targets_module, "_RUN", 8)
    monkeypatch.setattr(targets_module, "_RUNS_MIXED", 3)
    sections = [make_section(50, seed=0, per_context=per_context), make_section(33, seed=1, per_context=per_context)]
    reader = TargetReader(sections, targets_per_step=7, seed=5, language="deu_Latn")
    orders = []
    for epoch in range(3):
        batches = list(reader.epoch(epoch))
        expected = [
            (*section.contexts[section.rows[i]].tolist(), section.words[i])
            for section in sections
            for i in range(len(section.words))
            if section.drawn[i, epoch]
        ]
        found = [(*c.tolist(), w) for batch in batches for c, w in zip(batch.contexts, batch.words)]
        assert sorted(found) == sorted(expected)
        assert [len(batch.words) for batch in batches[:-1]] == [7] * (len(batches) - 1)
        assert [batch.first - batches[0].first for batch in batches] == [7 * i for i in range(len(batches))]
        # Mixed, and not as they stand in the text.
        assert found != expected
        orders.append([word for *_, word in found])
    again = TargetReader(sections, targets_per_step=7, seed=5, language="deu_Latn")
    assert [w for batch in again.epoch(2) for w in batch.words] == orders[2]
    other = TargetReader(sections, targets_per_step=7, seed=6, language="deu_Latn")
    assert [w for batch in other.epoch(2) for w in batch.words] != orders[2]


def test_frequent_words_are_kept_as_the_formula_says():
    counts = np.array([1_000_000, 100_000, 1_000, 10])
    keep = keep_probabilities(counts, 1e-3)
    for count, probability in zip(counts, keep):
        ratio = 1e-3 / (count / counts.sum())
        assert probability == pytest.approx(min(1, ratio**0.5 + ratio))
    assert keep[0] < keep[1] < 1 == keep[2] == keep[3]
    drawn, kept = expected_occurrences(counts, keep, 2)
    assert kept == pytest.approx((counts * keep).sum()) and kept < drawn < 2 * kept
    assert drawn == pytest.approx((counts * (1 - (1 - keep) ** 2)).sum())


def test_draws_depend_on_seed_language_and_place_alone():
    sentences, positions = np.repeat(np.arange(2000), 5), np.tile(np.arange(5), 2000)
    keep = np.full(10_000, 0.3)
    settings = {"epochs": 4, "seed": 1, "language": "deu_Latn"}
    drawn = draw_occurrences(keep, sentences, positions, **settings)
    assert drawn.mean(axis=0) == pytest.approx(0.3, abs=0.02) and drawn.shape == (10_000, 4)
    pick = np.array([17, 4, 9_000])
    assert (draw_occurrences(keep[pick], sentences[pick], positions[pick], **settings) == drawn[pick]).all()
    # Epochs, seeds and languages are drawn independently of each other.
    others = [drawn[:, 1]]
    others += [draw_occurrences(keep, sentences, positions, **{**settings, "seed": 2})[:, 0]]
    others += [draw_occurrences(keep, sentences, positions, **{**settings, "language": "tur_Latn"})[:, 0]]
    for other in others:
        assert (other & drawn[:, 0]).mean() == pytest.approx(0.09, abs=0.015)
    assert (draw_occurrences(np.ones(10_000), sentences, positions, **settings)).all()


def test_negatives_follow_the_root_of_counts_and_are_fresh():
    counts = np.array([400, 100, 25, 1])
    sampler = NegativeSampler(counts, negatives=10, seed=3, language="deu_Latn")
    drawn = sampler.draw(0, 5000)
    shares = np.bincount(drawn.ravel(), minlength=4) / drawn.size
    assert shares == pytest.approx(np.sqrt(counts) / np.sqrt(counts).sum(), abs=0.01)
    assert (sampler.draw(100, 50) == drawn[100:150]).all()
    assert (sampler.draw(1 << 40, 5000) == drawn).mean() < 0.5


def test_random_vectors_are_uniform_and_small():
    vectors = random_vectors(5000, 16, seed=1, language="deu_Latn")
    assert np.abs(vectors).max() <= 1 / 16 and np.abs(vectors).max() > 0.99 / 16
    assert vectors.mean() == pytest.approx(0, abs=1e-3) and len(np.unique(vectors[:, 0])) > 4900
    assert (random_vectors(10, 16, seed=1, language="deu_Latn") == vectors[:10]).all()


def test_training_is_a_plain_loop_with_torchs_adam():
    section, counts = make_section(200, epochs=2, size=6), np.array([50, 40, 30, 20, 10, 5, 2])
    settings = ExtractionSettings(epochs=2, targets_per_step=16, negatives=4, learning_rate=1e-2, subsample=1.0)
    start = random_vectors(7, 6, seed=0, language="deu_Latn")
    found = train_vectors(start, counts, [section], settings, "deu_Latn", torch.device("cpu"))
    table = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = torch.optim.SparseAdam([table], lr=1e-2)
    reader = TargetReader([section], targets_per_step=16, seed=settings.seed, language="deu_Latn")
    sampler = NegativeSampler(counts, negatives=4, seed=settings.seed, language="deu_Latn")
    losses = []
    for epoch in range(2):
        values = []
        for batch in reader.epoch(epoch):
            negatives = torch.from_numpy(sampler.draw(batch.first, len(batch.words)))
            words = torch.from_numpy(batch.words)
            loss = plain_loss(table, torch.from_numpy(batch.contexts).float(), words, negatives)
            optimizer.zero_grad()
            loss.backward()
            table.grad = table.grad.to_sparse(1)
            optimizer.step()
            values += [loss.item()] * len(words)
        losses.append(np.mean(values))
    assert torch.allclose(torch.from_numpy(found.vectors), table.detach(), atol=1e-5)
    assert found.losses == pytest.approx(losses, rel=1e-4) and found.losses[1] < found.losses[0]
    assert found.targets == section.drawn.sum(0).tolist() and np.abs(found.vectors - start).max() > 0.05
    assert found.trained.all()
