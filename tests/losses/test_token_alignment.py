from __future__ import annotations

import math

import pytest
import torch

from hf_mplm.losses.token_alignment import TokenAlignmentLoss, token_alignment_loss


def test_it_is_the_cross_entropy_within_each_sentence():
    generator = torch.Generator().manual_seed(0)
    source, romanized = (torch.randn(7, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    sentences = torch.tensor([0, 0, 0, 2, 2, 2, 2])
    losses = []
    for rows in (slice(0, 3), slice(3, 7)):
        one = source[rows] / source[rows].norm(dim=1, keepdim=True)
        other = romanized[rows] / romanized[rows].norm(dim=1, keepdim=True)
        scores = one @ other.T / 0.2
        for matrix in (scores, scores.T):
            losses += [-torch.log_softmax(line, 0)[index] for index, line in enumerate(matrix)]
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(token_alignment_loss(source, romanized, sentences, temperature=0.2), expected)
    # Vacuity guard: words of other sentences would be candidates if they were one sentence.
    assert token_alignment_loss(source, romanized, 0 * sentences, temperature=0.2) > expected + 0.1


def test_equal_orthogonal_words_have_a_closed_form():
    words = torch.eye(3)
    loss = token_alignment_loss(words, words, torch.zeros(3, dtype=torch.long), temperature=1.0)
    assert loss.item() == pytest.approx(math.log(math.e + 2) - 1, rel=1e-6)


def test_what_is_left_out_changes_nothing_and_gets_no_gradient():
    generator = torch.Generator().manual_seed(1)
    source = torch.randn(5, 4, generator=generator).requires_grad_()
    romanized = torch.randn(5, 4, generator=generator)
    sentences = torch.tensor([0, 0, -1, 1, 1])
    poisoned = romanized.clone()
    poisoned[2] = float("nan")
    loss = token_alignment_loss(source, poisoned, sentences)
    kept = [0, 1, 3, 4]
    torch.testing.assert_close(loss, token_alignment_loss(source[kept], romanized[kept], sentences[kept]))
    loss.backward()
    assert not source.grad[2].any() and torch.isfinite(source.grad).all() and source.grad[0].any()


def test_no_words_is_zero_with_a_graph():
    source = torch.zeros(0, 4, requires_grad=True)
    loss = token_alignment_loss(source, source, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0.0


def test_shapes_and_temperature_are_checked():
    with pytest.raises(ValueError, match="words, hidden"):
        token_alignment_loss(torch.ones(2, 3), torch.ones(2, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="positive"):
        TokenAlignmentLoss(temperature=0)(torch.ones(2, 3), torch.ones(2, 3), torch.zeros(2))
