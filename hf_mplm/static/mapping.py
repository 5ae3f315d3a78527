"""Linear maps between the vector spaces of two languages, from pairs of words that translate each other.

Sources: Artetxe, Labaka & Agirre (2018a), Generalizing and Improving Bilingual Word Embedding Mappings with a
Multi-Step Framework of Linear Transformations (AAAI); Artetxe, Labaka & Agirre (2018b), A Robust Self-Learning Method
for Fully Unsupervised Cross-Lingual Mappings of Word Embeddings (ACL).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


__all__ = [
    "METHODS",
    "Mapping",
    "apply_map",
    "choose_device",
    "fit_mapping",
    "fit_multi_step",
    "fit_orthogonal",
    "normalise_vectors",
    "unit_vectors",
]

METHODS = ("orthogonal", "multi-step")

# Rows that are worked on at once: 50 MB of float64 at 768 dimensions.
_ROWS = 8192


class Mapping(NamedTuple):
    """What each side is multiplied by.

    Args:
        source (`Tensor`, *optional*): Shape: (dimensions, mapped dimensions). `None` where that side stays as it is.
        target (`Tensor`, *optional*): the same for the target side.
    """

    source: Tensor | None = None
    target: Tensor | None = None


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """Where to compute.

    Args:
        device (`str` or `torch.device`, *optional*): CUDA where there is one, otherwise the CPU.

    Raises:
        ValueError: if there is no such device, or it is Apple's, which knows no float64.
    """
    cuda = torch.cuda.is_available()
    if device is None:
        return torch.device("cuda" if cuda else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"there is no device {device!r}; give --device cpu or --device cuda") from error
    if chosen.type != "cpu" and not (chosen.type == "cuda" and cuda):
        raise ValueError(f"vectors cannot be mapped on {device} here; give --device cpu, or leave it out")
    return chosen


def normalise_vectors(vectors: Tensor, *, in_place: bool = False) -> Tensor:
    """Scale to unit length, centre, and scale again (2018b, section 3.1).

    Args:
        vectors (`Tensor`): the vectors of one language. Shape: (words, dimensions).
        in_place (`bool`, *optional*, defaults to `False`): whether to write into `vectors`, which are float32.

    Returns:
        `Tensor`: Shape: (words, dimensions), float32. A vector of length zero stays one.
    """
    vectors = vectors if in_place else vectors.to(torch.float32, copy=True)
    # In float64, because the mean of 200,000 float32 would lose digits that the second scaling amplifies.
    total = torch.zeros(vectors.shape[1], dtype=torch.float64, device=vectors.device)
    for block in vectors.split(_ROWS):
        total += _scale(block).sum(dim=0, dtype=torch.float64)
    mean = (total / max(1, len(vectors))).to(torch.float32)
    for block in vectors.split(_ROWS):
        # A word without a vector has none after centring either.
        empty = ~block.any(dim=1, keepdim=True)
        _scale(block.sub_(mean).masked_fill_(empty, 0))
    return vectors


def _scale(vectors: Tensor) -> Tensor:
    norms = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors.div_(norms.masked_fill_(norms == 0, 1))


def unit_vectors(vectors: Tensor, matrix: Tensor | None = None) -> Tensor:
    """Vectors, mapped where there is a map, scaled to unit length: what cosines are made of.

    Args:
        vectors (`Tensor`): Shape: (words, dimensions).
        matrix (`Tensor`, *optional*): what they are multiplied by. Shape: (dimensions, mapped dimensions).
    """
    return _scale(vectors.clone() if matrix is None else vectors @ matrix)


def apply_map(vectors: Tensor, matrix: Tensor, *, in_place: bool = False) -> Tensor:
    """Multiply the vectors of a language, in blocks.

    Args:
        vectors (`Tensor`): Shape: (words, dimensions).
        matrix (`Tensor`): Shape: (dimensions, mapped dimensions).
        in_place (`bool`, *optional*, defaults to `False`): whether to write into `vectors`, where the map keeps their
            dimension.
    """
    if not in_place or matrix.shape[0] != matrix.shape[1]:
        return vectors @ matrix
    for block in vectors.split(_ROWS):
        block.copy_(block @ matrix)
    return vectors


def fit_mapping(
    source: Tensor,
    target: Tensor,
    method: str = "orthogonal",
    pairs: Tensor | None = None,
    *,
    exponents: tuple[float, float] = (0.5, 0.5),
    ridge: float = 0.0,
    dimensions: int | None = None,
) -> Mapping:
    """Fit a map from pairs of rows.

    Args:
        source (`Tensor`): normalised vectors. Shape: (source words, dimensions).
        target (`Tensor`): the same. Shape: (target words, dimensions).
        method (`str`, *optional*, defaults to `"orthogonal"`): which moves the source alone, or `"multi-step"`.
        pairs (`Tensor`, *optional*): the dictionary: rows of source and target; by default row i translates row i.
            Shape: (pairs, 2), int64.
        exponents (`tuple[float, float]`, *optional*, defaults to `(0.5, 0.5)`): of multi-step, see [`fit_multi_step`].
        ridge (`float`, *optional*, defaults to 0): of multi-step.
        dimensions (`int`, *optional*): of multi-step.

    Raises:
        ValueError: if the method is not known, or there are fewer pairs than it needs.
    """
    if method == "orthogonal":
        return Mapping(fit_orthogonal(source, target, pairs))
    if method == "multi-step":
        return fit_multi_step(source, target, pairs, exponents=exponents, ridge=ridge, dimensions=dimensions)
    raise ValueError(f"there is no mapping {method!r}; choose of {', '.join(METHODS)}")


def fit_orthogonal(
    source: Tensor, target: Tensor, pairs: Tensor | None = None, *, dtype: torch.dtype = torch.float64
) -> Tensor:
    """The rotation that brings the source words nearest to their translations: the orthogonal Procrustes problem.

    Args:
        source (`Tensor`): Shape: (source words, dimensions).
        target (`Tensor`): Shape: (target words, dimensions).
        pairs (`Tensor`, *optional*): rows of both; by default row i translates row i. Shape: (pairs, 2), int64.
        dtype (`torch.dtype`, *optional*, defaults to `torch.float64`): what it is computed in.

    Returns:
        `Tensor`: W = U V', where U S V' is the singular value decomposition of X_D' Z_D. Shape: (dimensions,
        dimensions), float32.

    Raises:
        ValueError: if there is no pair.
    """
    pairs = _row_by_row(source) if pairs is None else pairs
    if not len(pairs):
        raise ValueError("a mapping needs at least one pair of words, and there is none")
    left, _, right = torch.linalg.svd(_product(source, pairs[:, 0], target, pairs[:, 1], dtype))
    return (left @ right).to(torch.float32)


def fit_multi_step(
    source: Tensor,
    target: Tensor,
    pairs: Tensor | None = None,
    *,
    exponents: tuple[float, float] = (0.5, 0.5),
    ridge: float = 0.0,
    dimensions: int | None = None,
) -> Mapping:
    """Whiten, rotate, re-weight and de-whiten both sides (2018a, section 3.2 to 3.5).

    With X_D and Z_D the rows of the pairs, W_X = (X_D'X_D)^-1/2 and U S V' = svd(W_X X_D'Z_D W_Z), the source becomes
    X W_X U S^p (U'W_X^-1 U) and the target Z W_Z V S^q (V'W_Z^-1 V).

    Args:
        source (`Tensor`): Shape: (source words, dimensions).
        target (`Tensor`): Shape: (target words, dimensions).
        pairs (`Tensor`, *optional*): rows of both; by default row i translates row i. Shape: (pairs, 2), int64.
        exponents (`tuple[float, float]`, *optional*, defaults to `(0.5, 0.5)`): p and q of the re-weighting, as in
            2018b; 2018a has 0 and 1.
        ridge (`float`, *optional*, defaults to 0): what is added to the eigenvalues before whitening, as a share of
            their mean. Of few pairs, whitening makes noise.
        dimensions (`int`, *optional*): keep the so many best correlated dimensions.

    Returns:
        `Mapping`: what to multiply both sides by, float32.

    Raises:
        ValueError: if there are fewer pairs than dimensions and no ridge, because the covariance has then no inverse;
            or if more dimensions are to be kept than there are.
    """
    width = source.shape[1]
    pairs = _row_by_row(source) if pairs is None else pairs
    if dimensions is not None and not 0 < dimensions <= width:
        raise ValueError(f"--dimensions {dimensions} of vectors of {width}; needed is a number from 1 to {width}")
    if len(pairs) < width and not ridge:
        raise ValueError(
            f"whitening {width} dimensions needs at least as many pairs, and there are {len(pairs)}; give more "
            "pairs, --ridge 0.01, or --method orthogonal"
        )
    rows, columns = pairs.unbind(dim=1)
    whiten_source, colour_source = _whitening(_product(source, rows, source, rows), ridge)
    whiten_target, colour_target = _whitening(_product(target, columns, target, columns), ridge)
    product = _product(source, rows, target, columns)
    left, weights, right = torch.linalg.svd(whiten_source @ product @ whiten_target)
    right = right.T
    p, q = exponents
    mapped_source = whiten_source @ left * weights**p @ (left.T @ colour_source @ left)
    mapped_target = whiten_target @ right * weights**q @ (right.T @ colour_target @ right)
    kept = slice(dimensions)
    return Mapping(mapped_source[:, kept].to(torch.float32), mapped_target[:, kept].to(torch.float32))


def _row_by_row(source: Tensor) -> Tensor:
    return torch.arange(len(source), device=source.device)[:, None].expand(-1, 2)


def _product(
    left: Tensor, left_rows: Tensor, right: Tensor, right_rows: Tensor, dtype: torch.dtype = torch.float64
) -> Tensor:
    """left[left_rows]' right[right_rows], without ever holding all those rows."""
    total = torch.zeros(left.shape[1], right.shape[1], dtype=dtype, device=left.device)
    for ours, theirs in zip(left_rows.split(_ROWS), right_rows.split(_ROWS)):
        total += left[ours].to(dtype).T @ right[theirs].to(dtype)
    return total


def _whitening(squares: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """(X'X)^-1/2 and its inverse, by the eigenvalues of X'X."""
    values, vectors = torch.linalg.eigh(squares)
    values = values + ridge * values.mean()
    # What rounding leaves of an eigenvalue of zero would be blown up by the inverse root.
    least = values.max() * len(values) * torch.finfo(values.dtype).eps
    if not ridge and values.min() <= least:
        raise ValueError(
            "the pairs' words do not span all dimensions, so that they cannot be whitened; give other pairs, "
            "--ridge 0.01, or --method orthogonal"
        )
    roots = values.clamp_min(least).sqrt()
    return vectors / roots @ vectors.T, vectors * roots @ vectors.T
