from __future__ import annotations

import math

import pytest
import torch

from hf_mplm.losses.gradient_cache import RandomState, representation_gradients, surrogate_loss
from hf_mplm.losses.sequence_contrast import SequenceContrastLoss, sequence_contrast_loss


def vectors(pairs: int, hidden: int = 5, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    one, other = (torch.randn(pairs, hidden, generator=generator, dtype=torch.float64) for _ in range(2))
    return one.requires_grad_(), other.requires_grad_()


def by_definition(source, romanized, temperature=1.0, cosine=False) -> torch.Tensor:
    """The paper's formula, one anchor and one candidate at a time."""
    rows = [row for pair in zip(source, romanized) for row in pair]
    if cosine:
        rows = [row / row.norm() for row in rows]
    losses = []
    for anchor in range(len(rows)):
        positive = anchor + 1 if anchor % 2 == 0 else anchor - 1
        scores = {i: rows[anchor] @ row / temperature for i, row in enumerate(rows) if i != anchor}
        losses.append(torch.logsumexp(torch.stack(list(scores.values())), 0) - scores[positive])
    return torch.stack(losses).mean()


def test_two_pairs_in_closed_form():
    source = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    romanized = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    # Dot products: s1 r1 = 2, s2 r2 = 3, everything across is 0: each anchor has one positive and two negatives.
    anchors = [math.log(math.exp(2) + 2) - 2] * 2 + [math.log(math.exp(3) + 2) - 3] * 2
    assert sequence_contrast_loss(source, romanized).loss.item() == pytest.approx(sum(anchors) / 4, rel=1e-6)
    half = [math.log(math.exp(1) + 2) - 1] * 2 + [math.log(math.exp(1.5) + 2) - 1.5] * 2
    found = sequence_contrast_loss(source, romanized, temperature=2.0).loss
    assert found.item() == pytest.approx(sum(half) / 4, rel=1e-6)
    cosine = sequence_contrast_loss(source, romanized, similarity="cosine").loss
    assert cosine.item() == pytest.approx(math.log(math.e + 2) - 1, rel=1e-6)


@pytest.mark.parametrize("cosine", [False, True])
def test_it_is_the_papers_formula_with_its_gradients(cosine):
    found_rows, wanted_rows = vectors(6), vectors(6)
    found = sequence_contrast_loss(*found_rows, temperature=0.7, similarity="cosine" if cosine else "dot")
    wanted = by_definition(*wanted_rows, temperature=0.7, cosine=cosine)
    torch.testing.assert_close(found.loss, wanted)
    found.loss.backward()
    wanted.backward()
    for one, other in zip(found_rows, wanted_rows):
        assert one.grad.abs().max() > 1e-3
        torch.testing.assert_close(one.grad, other.grad)


def test_the_order_of_pairs_and_the_side_do_not_matter():
    source, romanized = vectors(7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    loss = sequence_contrast_loss(source, romanized).loss
    torch.testing.assert_close(sequence_contrast_loss(source[order], romanized[order]).loss, loss)
    torch.testing.assert_close(sequence_contrast_loss(romanized, source).loss, loss)
    # Vacuity guard: which belongs to which does matter.
    assert abs(sequence_contrast_loss(source[order], romanized).loss - loss) > 1e-3


def test_pairs_without_content_take_no_part():
    source, romanized = vectors(5)
    valid = torch.tensor([True, False, True, True, False])
    poisoned = romanized.detach().clone()
    poisoned[1] = float("nan")
    poisoned[4] = 1e30
    poisoned.requires_grad_()
    found = sequence_contrast_loss(source, poisoned, valid)
    kept = valid.nonzero().squeeze(1)
    torch.testing.assert_close(found.loss, by_definition(source[kept], romanized[kept]))
    assert found.num_pairs == 3
    found.loss.backward()
    for gradient in (source.grad, poisoned.grad):
        assert torch.isfinite(gradient).all() and not gradient[~valid].any() and gradient[valid].any()
    # Vacuity guard: without the mask the loss is lost.
    assert not torch.isfinite(sequence_contrast_loss(source, poisoned).loss)


def test_nothing_to_contrast_is_zero_with_a_graph():
    source, romanized = vectors(3)
    for loss in (
        sequence_contrast_loss(source, romanized, torch.zeros(3, dtype=torch.bool)).loss,
        sequence_contrast_loss(source[:1], romanized[:1]).loss,
    ):
        assert loss.item() == pytest.approx(0.0, abs=1e-12)
        source.grad = None
        loss.backward()
        assert torch.isfinite(source.grad).all()


def test_half_precision_is_summed_in_single():
    source, romanized = (rows.detach().float() for rows in vectors(32, 64))
    low = sequence_contrast_loss(source.bfloat16(), romanized.bfloat16()).loss
    assert low.dtype == torch.float32
    exact = sequence_contrast_loss(source.bfloat16().double(), romanized.bfloat16().double()).loss
    assert low.item() == pytest.approx(exact.item(), rel=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert sequence_contrast_loss(source, romanized).loss == sequence_contrast_loss(source, romanized).loss.float()


def test_cached_gradients_are_the_direct_ones():
    weight = torch.randn(4, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    texts = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)

    def loss_of(vectors):
        return {"seq": sequence_contrast_loss(*vectors["sentences"].chunk(2)).loss}

    direct = weight.clone().requires_grad_()
    loss_of({"sentences": torch.tanh(texts.flatten(0, 1) @ direct)})["seq"].backward()

    cached = weight.clone().requires_grad_()
    with torch.no_grad():
        whole = torch.tanh(texts.flatten(0, 1) @ cached)
    losses, gradients = representation_gradients(loss_of, {"sentences": whole})
    for rows in torch.arange(18).split(4):
        piece = torch.tanh(texts.flatten(0, 1)[rows] @ cached)
        surrogate_loss({"s": piece}, {"s": gradients["sentences"][rows]}).backward()
    assert direct.grad.abs().max() > 1e-3
    torch.testing.assert_close(cached.grad, direct.grad)
    assert losses["seq"].item() == pytest.approx(loss_of({"sentences": whole})["seq"].item())

    # Vacuity guard: contrasting within the pieces is another loss.
    pieces = weight.clone().requires_grad_()
    for columns in torch.arange(9).split(4):
        part = torch.tanh(texts[:, columns] @ pieces)
        (sequence_contrast_loss(*part).loss * len(columns) / 9).backward()
    assert (pieces.grad - direct.grad).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, "must be positive"),
        ({"temperature": float("nan")}, "must be positive"),
        ({"similarity": "euclid"}, "dot, cosine"),
    ],
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sequence_contrast_loss(torch.ones(2, 3), torch.ones(2, 3), **arguments)
    with pytest.raises(ValueError, match="row i"):
        sequence_contrast_loss(torch.ones(2, 3), torch.ones(3, 3))


def test_the_module_carries_its_settings_and_its_source():
    loss = SequenceContrastLoss(temperature=0.5, similarity="cosine")
    source, romanized = vectors(4)
    expected = sequence_contrast_loss(source, romanized, temperature=0.5, similarity="cosine").loss
    assert torch.equal(loss(source, romanized).loss, expected)
    assert "Xhelili" in loss.citation and "temperature=0.5" in repr(loss)


def test_devices_whose_dropout_cannot_be_repeated_are_refused():
    with pytest.raises(ValueError, match="not on mps; give one piece"):
        RandomState(torch.device("mps"), "give one piece")
