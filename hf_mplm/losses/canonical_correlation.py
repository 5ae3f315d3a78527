"""Deep canonical correlation: the correlation of two views after the best linear map of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch


__all__ = ["CanonicalCorrelation", "canonical_correlation_loss"]


class CanonicalCorrelation(NamedTuple):
    """What [`canonical_correlation_loss`] returns.

    Attributes:
        loss (`torch.Tensor`): minus the sum of the canonical correlations, with a graph to the states. Shape: ().
        chance (`torch.Tensor`): the same of pairs that do not belong together, each row with the targets of the row
            half the batch away; no graph. Shape: ().
    """

    loss: torch.Tensor
    chance: torch.Tensor


def canonical_correlation_loss(
    states: torch.Tensor, targets: torch.Tensor, *, ridge: float = 0.1
) -> CanonicalCorrelation:
    """Minus the sum of the canonical correlations of states and targets (deep CCA, Andrew et al. 2013).

    With H and Z centred per feature, S their covariances and T = (S_HH + r_H I)^-1/2 S_HZ (S_ZZ + r_Z I)^-1/2, the
    loss is minus the sum of the singular values of T. The gradient is the closed form of their equations 11 to 13,
    with the part of r_H, which is a share of S_HH and moves with it. It has no differences of singular values in a
    denominator, so that it holds where they meet. Targets are constants.

    Few rows correlate whatever they are: compare the loss with `chance`. Rows should outnumber the features of both
    sides together.

    Args:
        states (`torch.Tensor`): H. Shapes: (rows, features).
        targets (`torch.Tensor`): Z. Shapes: (rows, target features).
        ridge (`float`, *optional*, defaults to 0.1): r of each side, as a share of the mean eigenvalue of its
            covariance. 0 makes the loss invariant to every invertible map of either side, instead of to rotations and
            scale, and needs more rows than features.

    Returns:
        [`CanonicalCorrelation`]: in float32 at least; NaN where something is not finite or a covariance is singular.

    Raises:
        ValueError: on shapes that do not fit, or fewer rows than there must be.
    """
    if states.dim() != 2 or targets.dim() != 2 or len(states) != len(targets) or len(states) < 2:
        raise ValueError(
            f"states have shape {tuple(states.shape)} and targets {tuple(targets.shape)}; give two matrices of as "
            "many rows, two or more, row i of one belonging to row i of the other"
        )
    if ridge < 0:
        raise ValueError(f"ridge is {ridge}, but it must not be negative")
    widest = max(states.shape[1], targets.shape[1])
    if ridge == 0 and len(states) <= widest:
        raise ValueError(
            f"{len(states)} rows of {widest} features have a singular covariance, and every correlation is 1: give "
            f"more than {widest} rows, or a ridge such as 0.1"
        )
    with torch.autocast(states.device.type, enabled=False):
        precise = torch.promote_types(states.dtype, torch.float32)
        return CanonicalCorrelation(
            *_NegativeCorrelation.apply(states.to(precise), targets.detach().to(precise), ridge)
        )


class _NegativeCorrelation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: torch.Tensor, targets: torch.Tensor, ridge: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        size, features = states.shape
        states, targets = states - states.mean(0), targets - targets.mean(0)
        # Any square root of a covariance gives the same singular values; Cholesky's is the quickest.
        root, target_root = (_root(side.T @ side / (size - 1), ridge) for side in (states, targets))
        whitened = _whiten(root, states.T @ targets / (size - 1), target_root)
        apart = _whiten(root, states.T @ targets.roll(size // 2, 0) / (size - 1), target_root)
        if not bool(whitened.isfinite().all() & apart.isfinite().all()):
            # Neither decomposition would return.
            ctx.save_for_backward(torch.full_like(states, torch.nan))
            return states.new_full((), torch.nan), states.new_full((), torch.nan)
        chance = -torch.linalg.svdvals(apart).sum()
        ctx.mark_non_differentiable(chance)
        if not ctx.needs_input_grad[0]:
            return -torch.linalg.svdvals(whitened).sum(), chance
        left, values, right = torch.linalg.svd(whitened, full_matrices=False)
        left = torch.linalg.solve_triangular(root.T, left, upper=True)
        right = torch.linalg.solve_triangular(target_root.T, right.T, upper=True)
        # Equations 11 to 13: 2 H D11 + Z D12' over (size - 1), D12 = left right', D11 = -1/2 left diag(values) left',
        # and of D11 what the ridge, a share of the trace, adds.
        through_ridge = ridge / features * (values * left.square()).sum()
        own = (states @ (left * values)) @ left.T + through_ridge * states
        ctx.save_for_backward((own - (targets @ right) @ left.T) / (size - 1))
        return -values.sum(), chance

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradients[0] * ctx.saved_tensors[0], None, None


def _root(covariance: torch.Tensor, ridge: float) -> torch.Tensor:
    """The lower Cholesky factor of a covariance with its ridge; not finite where it has none."""
    covariance.diagonal().add_(ridge * covariance.diagonal().mean())
    root, failed = torch.linalg.cholesky_ex(covariance)
    return root.where(failed == 0, torch.nan)


def _whiten(root: torch.Tensor, cross: torch.Tensor, target_root: torch.Tensor) -> torch.Tensor:
    half = torch.linalg.solve_triangular(root, cross, upper=False)
    return torch.linalg.solve_triangular(target_root, half.T, upper=False).T
