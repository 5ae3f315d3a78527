"""Vectors of languages in two dimensions, for maps."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hf_mplm._imports import require


__all__ = ["Projection", "project"]

Projection = Literal["pca", "tsne", "umap"]

# scikit-learn's default, the paper's setting; fewer languages need a smaller one.
_PERPLEXITY = 30.0
_NEIGHBOURS = 15


def project(method: Projection, vectors: np.ndarray, cosines: np.ndarray, seed: int = 0) -> np.ndarray:
    """Place languages in a plane.

    Args:
        method (`"pca"`, `"tsne"` or `"umap"`): the two principal components of the vectors; or t-SNE (van der Maaten
            and Hinton, 2008) or UMAP (McInnes et al., 2018) on their cosine distances.
        vectors (`np.ndarray`): one a language. Shape: (languages, dimension).
        cosines (`np.ndarray`): their cosines. Shape: (languages, languages).
        seed (`int`, *optional*, defaults to 0): of t-SNE and UMAP.

    Returns:
        `np.ndarray`: Shape: (languages, 2).

    Raises:
        ValueError: for an unknown method, or fewer than three languages.
        ImportError: if UMAP is asked for and not installed.
    """
    count = len(vectors)
    if method not in ("pca", "tsne", "umap"):
        raise ValueError(f"there is no projection {method!r}; needed is pca, tsne or umap")
    if count < 3:
        raise ValueError(f"a map of {count} languages would show nothing; needed are 3 or more")
    if method == "pca":
        return _principal_components(vectors)
    distances = np.maximum(1 - cosines, 0)
    np.fill_diagonal(distances, 0)
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(_PERPLEXITY, (count - 1) / 3)
        model = TSNE(metric="precomputed", init="random", perplexity=perplexity, random_state=seed)
    else:
        umap = require("umap", extra="umap")
        model = umap.UMAP(metric="precomputed", n_neighbors=min(_NEIGHBOURS, count - 1), random_state=seed)
    return np.asarray(model.fit_transform(distances), dtype=np.float64)


def _principal_components(vectors: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(axis=0)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(vectors), 2))
    count = min(2, len(sizes))
    # The sign of a component is free: its largest entry is made positive, so that a map never comes out mirrored.
    signs = np.sign(right[np.arange(count), np.abs(right[:count]).argmax(axis=1)])
    points[:, :count] = left[:, :count] * sizes[:count] * signs
    return points
