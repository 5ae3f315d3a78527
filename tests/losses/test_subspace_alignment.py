from __future__ import annotations

import math

import pytest
import torch

from hf_mplm.losses import subspace_alignment
from hf_mplm.losses.subspace_alignment import subspace_alignment_loss


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plainly(states: torch.Tensor, targets: torch.Tensor, components: int = 10) -> float:
    """One batch by the formula: bases, side by side, and the largest singular values of what they make."""
    rows = len(states)
    bases = []
    for side in (states, targets):
        means = side.mean(1).tolist()
        centred = side.clone()
        for row in range(rows):
            for column in range(side.shape[1]):
                centred[row, column] -= means[(row * side.shape[1] + column) % rows]
        bases.append(torch.linalg.svd(centred)[0][:, :components])
    return -torch.linalg.svdvals(torch.cat(bases, 1))[:components].sum().item()


@pytest.mark.parametrize(("features", "targets"), [(70, 30), (20, 90)])
def test_it_is_the_formula_batch_by_batch(features, targets):
    states, targets = draw(128, features), draw(128, targets, seed=1)
    wanted = (plainly(states[:64], targets[:64]) + plainly(states[64:], targets[64:])) / 2
    assert subspace_alignment_loss(states, targets).item() == pytest.approx(wanted, rel=1e-9)
    # Vacuity guard: what is cut is rows that belong together.
    assert subspace_alignment_loss(states.flip(0), targets).item() != pytest.approx(wanted, rel=1e-4)


def test_its_ends():
    states = draw(64, 32)
    assert subspace_alignment_loss(states, states).item() == pytest.approx(-10 * math.sqrt(2), abs=1e-9)
    assert -10 * math.sqrt(2) == pytest.approx(-14.142, abs=1e-3)
    # Rows whose means are zero, so that the scrambled centring takes nothing away.
    basis = torch.linalg.qr(draw(64, 64))[0]
    one, other = (
        basis[:, part] @ torch.cat([torch.eye(10), -torch.eye(10)], 1).double()
        for part in (slice(0, 10), slice(10, 20))
    )
    assert subspace_alignment_loss(one, other).item() == pytest.approx(-10, abs=1e-9)


@pytest.mark.parametrize("features", [13, 26])
def test_the_gradient_is_that_of_finite_differences(features, monkeypatch):
    monkeypatch.setattr(subspace_alignment, "_MEETING", 0.0)
    states, targets = draw(48, features).requires_grad_(), draw(48, 9, seed=1)

    def loss(one: torch.Tensor) -> torch.Tensor:
        return subspace_alignment_loss(one, targets, batch_size=24, components=3)

    assert torch.autograd.gradcheck(loss, (states,))


def test_the_gradient_is_bounded_where_singular_values_meet(monkeypatch):
    basis = torch.linalg.qr(draw(24, 24))[0]
    other = torch.linalg.qr(draw(16, 16, seed=1))[0]
    other = torch.cat([other, -other], 1) / math.sqrt(2)  # rows of mean zero
    values = torch.tensor([5.0, 4, 3, 3, 2, 1] + [0.5] * 10, dtype=torch.float64)
    states = (basis[:, :16] * values @ other).requires_grad_()
    targets = draw(24, 9, seed=2)

    def gradient() -> torch.Tensor:
        loss = subspace_alignment_loss(states, targets, batch_size=24, components=3)
        return torch.autograd.grad(loss, states)[0]

    assert gradient().isfinite().all() and gradient().abs().max() < 10
    # Vacuity guard: without the guard the third and the fourth value, both 3, are divided by their difference.
    monkeypatch.setattr(subspace_alignment, "_MEETING", 0.0)
    assert not gradient().isfinite().all() or gradient().abs().max() > 1e6


def test_single_precision_is_enough():
    states, targets = draw(64, 96), draw(64, 30, seed=1)
    found = []
    for precision in (torch.float64, torch.float32):
        one = states.detach().to(precision, copy=True).requires_grad_()
        loss = subspace_alignment_loss(one, targets.to(precision))
        loss.backward()
        found.append((loss.item(), one.grad.double()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    assert (found[0][1] - found[1][1]).abs().max() < 1e-4 * found[0][1].abs().max()


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="70 rows are not cut into batches of 64"):
        subspace_alignment_loss(draw(70, 8), draw(70, 8))
    with pytest.raises(ValueError, match="twice the components"):
        subspace_alignment_loss(draw(64, 8), draw(64, 8), batch_size=16)
    with pytest.raises(ValueError, match="as many rows"):
        subspace_alignment_loss(draw(64, 8), draw(63, 8))
