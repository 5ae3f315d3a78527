from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_mplm.losses.canonical_correlation import canonical_correlation_loss


def views(rows: int, features: int, targets: int, *, seed: int = 0, shared: int = 3) -> tuple[torch.Tensor, ...]:
    """Two views of some shared values, with noise of their own, in double precision."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    common = draw(rows, shared)
    return tuple(common @ draw(shared, width) + 0.5 * draw(rows, width) + draw(width) for width in (features, targets))


def loss_of(states, targets, **settings) -> float:
    return canonical_correlation_loss(states, targets, **settings).loss.item()


@pytest.mark.parametrize(("rows", "features", "targets"), [(40, 7, 4), (40, 4, 7), (12, 20, 5)])
@pytest.mark.parametrize("ridge", [0.1, 1e-3, 0.0])
def test_the_gradient_is_that_of_finite_differences(rows, features, targets, ridge):
    if ridge == 0 and rows <= features:
        pytest.skip("singular")
    states, targets = views(rows, features, targets)
    states.requires_grad_()

    def loss(one: torch.Tensor) -> torch.Tensor:
        return canonical_correlation_loss(one, targets, ridge=ridge).loss

    assert torch.autograd.gradcheck(loss, (states,), atol=1e-8, rtol=0)
    # Vacuity guard: the ridge moves with the states. Held still, it would be missed.
    if ridge == 0.1:
        gradient = torch.autograd.grad(loss(states), states)[0]
        assert (gradient * (states - states.mean(0))).sum().abs() < 1e-10  # no change under scaling


def test_the_gradient_holds_where_singular_values_meet():
    """Orthonormal targets, each with an equal share of noise of its own: all correlations are one value."""
    random = torch.randn(12, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    basis = torch.linalg.qr(random - random.mean(0))[0]
    targets = basis[:, :3]
    states = (targets + basis[:, 3:]).requires_grad_()
    with torch.no_grad():
        correlations = torch.linalg.svdvals(states.T @ targets / 2**0.5)
    assert correlations[0] - correlations[2] < 1e-12
    assert torch.autograd.gradcheck(
        lambda one: canonical_correlation_loss(one, targets).loss, (states,), atol=1e-8, rtol=0
    )


def test_without_a_ridge_it_is_the_generalised_eigenproblem():
    scipy = pytest.importorskip("scipy.linalg")
    states, targets = views(400, 6, 5)
    h, z = (side.numpy() - side.numpy().mean(0) for side in (states, targets))
    zero = np.zeros
    across = np.block([[zero((6, 6)), h.T @ z], [z.T @ h, zero((5, 5))]])
    within = np.block([[h.T @ h, zero((6, 5))], [zero((5, 6)), z.T @ z]])
    correlations = scipy.eigh(across, within, eigvals_only=True)[::-1][:5]
    assert correlations[0] > 0.9
    assert loss_of(states, targets, ridge=0.0) == pytest.approx(-correlations.sum(), rel=1e-10)


def test_without_a_ridge_it_is_the_cca_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.cross_decomposition")
    states, targets = views(2000, 5, 4)
    model = decomposition.CCA(n_components=4, max_iter=5000, tol=1e-12)
    scores = model.fit_transform(states.numpy(), targets.numpy())
    found = [np.corrcoef(one, other)[0, 1] for one, other in zip(scores[0].T, scores[1].T)]
    assert loss_of(states, targets, ridge=0.0) == pytest.approx(-sum(found), abs=1e-4)


def test_what_it_does_not_depend_on():
    states, targets = views(200, 8, 6)
    generator = torch.Generator().manual_seed(1)
    invertible = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    rotation = torch.linalg.qr(invertible)[0]
    plain, ridged = loss_of(states, targets, ridge=0.0), loss_of(states, targets)
    assert loss_of(states, targets @ invertible, ridge=0.0) == pytest.approx(plain, rel=1e-9)
    assert loss_of(states + 3.0, 7 * (targets @ rotation) - 2.0) == pytest.approx(ridged, rel=1e-9)
    assert loss_of(100 * states, targets) == pytest.approx(ridged, rel=1e-9)
    # Vacuity guard: the ridge does see an invertible map that is no rotation.
    assert abs(loss_of(states, targets @ invertible) - ridged) > 1e-3
    order = torch.randperm(200, generator=generator)
    assert loss_of(states[order], targets[order]) == pytest.approx(ridged, rel=1e-9)


@pytest.mark.parametrize(("rows", "tells"), [(1024, True), (64, False)])
def test_true_pairs_beat_shuffled_ones_where_there_are_enough(rows, tells):
    """The defaults: 1,024 words against 100 components. 64 words are fewer than either side's dimensions."""
    states, targets = views(rows, 384, 100, shared=20)
    states = states + 3 * torch.randn(rows, 384, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = canonical_correlation_loss(states, targets)
    gap = (found.loss / found.chance - 1).item()
    assert gap > 0.1 if tells else abs(gap) < 0.1, gap
    shuffled = canonical_correlation_loss(states, targets.roll(rows // 2, 0))
    torch.testing.assert_close(shuffled.loss, found.chance)


def test_half_precision_is_widened_and_what_is_not_finite_is_said():
    states, targets = (side.bfloat16() for side in views(50, 6, 4))
    with torch.autocast("cpu", torch.bfloat16):
        found = canonical_correlation_loss(states, targets)
    exact = loss_of(states.double(), targets.double())
    assert found.loss.dtype == torch.float32 and found.loss.item() == pytest.approx(exact, rel=1e-5)
    states = states.clone().requires_grad_()
    bad = states * torch.tensor([1.0] * 5 + [torch.nan])
    loss = canonical_correlation_loss(bad, targets).loss
    loss.backward()
    assert loss.isnan() and states.grad.isnan().any()


def test_without_a_ridge_too_few_rows_are_refused():
    states, targets = views(8, 8, 3)
    with pytest.raises(ValueError, match="more than 8 rows, or a ridge"):
        canonical_correlation_loss(states, targets, ridge=0.0)
    assert loss_of(states, targets) < 0
    with pytest.raises(ValueError, match="as many rows"):
        canonical_correlation_loss(states, targets[:-1])
    with pytest.raises(ValueError, match="must not be negative"):
        canonical_correlation_loss(states, targets, ridge=-1.0)
