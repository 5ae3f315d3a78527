"""The alignment of principal subspaces, which is what the published code of static embeddings calls DCCA."""

from __future__ import annotations

from typing import Any

import torch


__all__ = ["subspace_alignment_loss"]

# Differences of eigenvalues below this share of the smallest kept one count as hardly different.
_MEETING = 1e-4


def subspace_alignment_loss(
    states: torch.Tensor, targets: torch.Tensor, *, batch_size: int = 64, components: int = 10
) -> torch.Tensor:
    """Minus the sum of the largest singular values of two principal bases side by side, a batch of rows at a time.

    What the code of Hämmerl et al. 2022 computes in the place of their DCCA, after Arjmand's generalised CCA: of each
    side the `components` left singular vectors A and B, over the batch's rows; then minus the sum of as many singular
    values of [A, B], which are sqrt(1 + cos) of the principal angles between the two spaces. With 10 of them the
    loss is -14.142 where the spaces are one, and -10 where they are orthogonal. The sides are not centred per
    feature: as published, entry k of a batch, counted along the rows, loses the mean of row k modulo the batch.

    The gradient is in closed form. Where the last kept singular value meets the next one, the subspace is not defined
    and its derivative has no bound; there the quotient 1/x is taken as x/(x^2 + e^2).

    Args:
        states (`torch.Tensor`): Shapes: (rows, features).
        targets (`torch.Tensor`): constants. Shapes: (rows, target features).
        batch_size (`int`, *optional*, defaults to 64): rows that are compared at a time, which must divide the rows.
        components (`int`, *optional*, defaults to 10): dimensions of each subspace, at most half the batch.

    Returns:
        `torch.Tensor`: the mean over batches, in float32 at least. Shape: ().

    Raises:
        ValueError: on shapes that do not fit.
    """
    if states.dim() != 2 or targets.dim() != 2 or len(states) != len(targets):
        raise ValueError(
            f"states have shape {tuple(states.shape)} and targets {tuple(targets.shape)}; give two matrices of as "
            "many rows, row i of one belonging to row i of the other"
        )
    if not 1 <= 2 * components <= batch_size or not len(states) or len(states) % batch_size:
        raise ValueError(
            f"{len(states)} rows are not cut into batches of {batch_size} that hold two spaces of {components} "
            "dimensions: batch_size must divide the rows, and be twice the components or more"
        )
    with torch.autocast(states.device.type, enabled=False):
        precise = torch.promote_types(states.dtype, torch.float32)
        sides = [side.to(precise).unflatten(0, (-1, batch_size)) for side in (states, targets.detach())]
        batches = _Subspaces.apply(_centred(sides[0]), _centred(sides[1]), components)
        return batches.mean()


def _centred(batches: torch.Tensor) -> torch.Tensor:
    """Less the rows' means, laid out as the published code lays them out. Shapes: (batches, rows, features)."""
    rows, features = batches.shape[1:]
    places = torch.arange(rows * features, device=batches.device).view(rows, features) % rows
    return batches - batches.mean(2)[:, places]


class _Subspaces(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, targets: torch.Tensor, components: int) -> torch.Tensor:
        # Of rows x rows, whose eigenvectors are the left singular vectors. Squared, values take twice the digits.
        exact = states if states.device.type == "mps" else states.double()
        other = targets.to(exact.dtype)
        if not bool(exact.isfinite().all() & other.isfinite().all()):
            ctx.save_for_backward(torch.full_like(states, torch.nan))
            return states.new_full((len(states),), torch.nan)
        values, vectors = _eigenvectors(exact)
        basis, beyond = vectors[..., :components], vectors[..., components:]
        target_basis = _eigenvectors(other)[1][..., :components]
        left, cosines, right = torch.linalg.svd(basis.mT @ target_basis)
        lengths = (1 + cosines.clamp(0, 1)).sqrt()
        # Of the basis: minus the target's, turned towards it, by the derivative of sqrt(1 + cos).
        of_basis = -target_basis @ right.mT @ ((1 / (2 * lengths))[..., None] * left.mT)
        # Turning the basis within its space changes nothing: only what lies beyond counts.
        apart = values[..., None, :components] - values[..., components:, None]
        least = _MEETING * values[..., None, components - 1 : components]
        quotient = apart / (apart.square() + least.square()).clamp(min=torch.finfo(exact.dtype).tiny)
        moved = beyond @ ((beyond.mT @ of_basis) * quotient) @ basis.mT
        ctx.save_for_backward(((moved + moved.mT) @ exact).to(states.dtype))
        return -lengths.sum(-1).to(states.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradients[0][:, None, None] * ctx.saved_tensors[0], None, None


def _eigenvectors(batches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the products of rows, the largest first. Shapes: (batches, rows), (batches, rows, rows)."""
    values, vectors = torch.linalg.eigh(batches @ batches.mT)
    return values.flip(-1), vectors.flip(-1)
