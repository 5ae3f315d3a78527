"""Linear maps between the vector spaces of two languages, from pairs of words that translate each other.

Sources: Artetxe, Labaka & Agirre (2018a), Generalizing and Improving Bilingual Word Embedding Mappings with a
Multi-Step Framework of Linear Transformations (AAAI); Artetxe, Labaka & Agirre (2018b), A Robust Self-Learning Method
for Fully Unsupervised Cross-Lingual Mappings of Word Embeddings (ACL).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


__all__ = ["METHODS", "Mapping", "fit_mapping", "fit_multi_step", "fit_orthogonal", "normalise_vectors"]

METHODS = ("orthogonal", "multi-step")


class Mapping(NamedTuple):
    """What each side is multiplied by.

    Args:
        source (`Tensor`): Shape: (dimensions, mapped dimensions).
        target (`Tensor`, *optional*): the same for the target side; `None` where it stays as it is.
    """

    source: Tensor
    target: Tensor | None = None


def normalise_vectors(vectors: Tensor) -> Tensor:
    """Scale to unit length, centre, and scale again (2018b, section 3.1).

    Args:
        vectors (`Tensor`): the vectors of one language. Shape: (words, dimensions).

    Returns:
        `Tensor`: Shape: (words, dimensions), float32. A vector of length zero stays one.
    """
    vectors = _unit(vectors.to(torch.float32))
    # In float64, because the mean of 200,000 float32 would lose digits that the second scaling amplifies.
    vectors = vectors - vectors.mean(dim=0, dtype=torch.float64).to(torch.float32)
    return _unit(vectors)


def _unit(vectors: Tensor) -> Tensor:
    norms = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / torch.where(norms == 0, 1, norms)


def fit_mapping(
    source: Tensor,
    target: Tensor,
    method: str = "orthogonal",
    *,
    exponents: tuple[float, float] = (0.5, 0.5),
    ridge: float = 0.0,
    dimensions: int | None = None,
) -> Mapping:
    """Fit a map from pairs of rows.

    Args:
        source (`Tensor`): normalised vectors of the pairs' source words. Shape: (pairs, dimensions).
        target (`Tensor`): those of their translations. Shape: (pairs, dimensions).
        method (`str`, *optional*, defaults to `"orthogonal"`): which moves the source alone, or `"multi-step"`.
        exponents (`tuple[float, float]`, *optional*, defaults to `(0.5, 0.5)`): of multi-step, see [`fit_multi_step`].
        ridge (`float`, *optional*, defaults to 0): of multi-step.
        dimensions (`int`, *optional*): of multi-step.

    Raises:
        ValueError: if the method is not known, or there are fewer pairs than it needs.
    """
    if method == "orthogonal":
        return Mapping(fit_orthogonal(source, target))
    if method == "multi-step":
        return fit_multi_step(source, target, exponents=exponents, ridge=ridge, dimensions=dimensions)
    raise ValueError(f"there is no mapping {method!r}; choose of {', '.join(METHODS)}")


def fit_orthogonal(source: Tensor, target: Tensor) -> Tensor:
    """The rotation that brings the source words nearest to their translations: the orthogonal Procrustes problem.

    Args:
        source (`Tensor`): Shape: (pairs, dimensions).
        target (`Tensor`): Shape: (pairs, dimensions).

    Returns:
        `Tensor`: W = U V', where U S V' is the singular value decomposition of source' target. Shape: (dimensions,
        dimensions).

    Raises:
        ValueError: if there is no pair.
    """
    if not len(source):
        raise ValueError("a mapping needs at least one pair of words, and there is none")
    left, _, right = torch.linalg.svd(source.to(torch.float64).T @ target.to(torch.float64))
    return (left @ right).to(torch.float32)


def fit_multi_step(
    source: Tensor,
    target: Tensor,
    *,
    exponents: tuple[float, float] = (0.5, 0.5),
    ridge: float = 0.0,
    dimensions: int | None = None,
) -> Mapping:
    """Whiten, rotate, re-weight and de-whiten both sides (2018a, section 3.2 to 3.5).

    With X_D and Z_D the rows of the pairs, W_X = (X_D'X_D)^-1/2 and U S V' = svd(W_X X_D'Z_D W_Z), the source becomes
    X W_X U S^p (U'W_X^-1 U) and the target Z W_Z V S^q (V'W_Z^-1 V).

    Args:
        source (`Tensor`): Shape: (pairs, dimensions).
        target (`Tensor`): Shape: (pairs, dimensions).
        exponents (`tuple[float, float]`, *optional*, defaults to `(0.5, 0.5)`): p and q of the re-weighting, as in
            2018b; 2018a has 0 and 1.
        ridge (`float`, *optional*, defaults to 0): what is added to the eigenvalues before whitening, as a share of
            their mean. Of few pairs, whitening makes noise.
        dimensions (`int`, *optional*): keep the so many best correlated dimensions.

    Returns:
        `Mapping`: what to multiply both sides by, float32.

    Raises:
        ValueError: if there are fewer pairs than dimensions and no ridge, because the covariance has then no inverse.
    """
    width = source.shape[1]
    if len(source) < width and not ridge:
        raise ValueError(
            f"whitening {width} dimensions needs at least as many pairs, and there are {len(source)}; give more "
            "pairs, --ridge 0.01, or --method orthogonal"
        )
    source, target = source.to(torch.float64), target.to(torch.float64)
    whiten_source, colour_source = _whitening(source, ridge)
    whiten_target, colour_target = _whitening(target, ridge)
    left, weights, right = torch.linalg.svd(whiten_source @ source.T @ target @ whiten_target)
    right = right.T
    p, q = exponents
    mapped_source = whiten_source @ left * weights**p @ (left.T @ colour_source @ left)
    mapped_target = whiten_target @ right * weights**q @ (right.T @ colour_target @ right)
    kept = slice(dimensions)
    return Mapping(mapped_source[:, kept].to(torch.float32), mapped_target[:, kept].to(torch.float32))


def _whitening(rows: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """(X'X)^-1/2 and its inverse, by the eigenvalues of X'X."""
    values, vectors = torch.linalg.eigh(rows.T @ rows)
    values = values + ridge * values.mean()
    # What rounding leaves of an eigenvalue of zero would be blown up by the inverse root.
    least = values.max() * rows.shape[1] * torch.finfo(values.dtype).eps
    if not ridge and values.min() <= least:
        raise ValueError(
            "the pairs' words do not span all dimensions, so that they cannot be whitened; give other pairs, "
            "--ridge 0.01, or --method orthogonal"
        )
    roots = values.clamp_min(least).sqrt()
    return vectors / roots @ vectors.T, vectors * roots @ vectors.T
