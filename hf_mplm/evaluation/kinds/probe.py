from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


__all__ = ["LinearProbe"]

# Weights of the squared norm, of which the dev set chooses.
PENALTIES = (1.0, 0.1, 0.01, 0.001)
MAX_ITERATIONS = 500
# Of the gradient: below it predictions do not change any more.
TOLERANCE = 1e-6


@dataclass
class LinearProbe:
    """Multinomial logistic regression on frozen vectors: the same every time, and done in a second.

    Args:
        mean (`np.ndarray`): Mean of the training vectors. Shape: (dimension,).
        scale (`np.ndarray`): Their standard deviation. Shape: (dimension,).
        weight (`np.ndarray`): Shape: (labels, dimension).
        bias (`np.ndarray`): Shape: (labels,).
        penalty (`float`): The penalty that the dev set chose.
    """

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    penalty: float

    @classmethod
    def fit(
        cls,
        train: np.ndarray,
        train_labels: Sequence[int],
        dev: np.ndarray,
        dev_labels: Sequence[int],
        *,
        num_labels: int,
        metric: Callable[[Sequence[int], Sequence[int]], float],
    ) -> LinearProbe:
        """Fit one probe a penalty and keep the one that does best on the dev set.

        Args:
            train (`np.ndarray`): Training vectors. Shape: (n, dimension).
            train_labels (`Sequence[int]`): Their labels.
            dev (`np.ndarray`): Dev vectors. Shape: (m, dimension).
            dev_labels (`Sequence[int]`): Their labels.
            num_labels (`int`): Number of labels.
            metric (`Callable`): Takes gold and predicted labels and returns what should be large.

        Returns:
            `LinearProbe`: The best, of equals the one with the largest penalty.
        """
        mean = train.mean(axis=0)
        scale = train.std(axis=0)
        scale = np.where(scale < 1e-6, 1, scale)
        best: tuple[float, LinearProbe] | None = None
        for penalty in PENALTIES:
            weight, bias = _fit((train - mean) / scale, train_labels, num_labels, penalty)
            probe = cls(mean, scale, weight, bias, penalty)
            value = metric(dev_labels, probe.predict(dev).tolist())
            if best is None or value > best[0]:
                best = (value, probe)
        assert best is not None
        return best[1]

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Predict labels.

        Args:
            vectors (`np.ndarray`): Shape: (n, dimension).

        Returns:
            `np.ndarray`: Shape: (n,), int64.
        """
        scores: np.ndarray = ((vectors - self.mean) / self.scale) @ self.weight.T + self.bias
        return scores.argmax(axis=1)


def _fit(vectors: np.ndarray, labels: Sequence[int], num_labels: int, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Minimise the mean cross-entropy plus `penalty / 2` times the squared norm of the weights, which is convex."""
    # Here, because scikit-learn takes longer to import than most commands take to say their help.
    from sklearn.linear_model import LogisticRegression

    targets = np.asarray(labels)
    seen = np.unique(targets)
    weight = np.zeros((num_labels, vectors.shape[1]), dtype=np.float32)
    # A label that the training set lacks is never predicted: its bias has no penalty, and falls without end.
    bias = np.full(num_labels, -np.inf, dtype=np.float32)
    bias[seen] = 0
    if len(seen) == 1:
        return weight, bias
    # scikit-learn adds the losses up, and of two labels it fits one row w, which stands for w/2 and -w/2 here.
    scale = 2 if len(seen) == 2 else 1
    model = LogisticRegression(C=scale / (penalty * len(targets)), tol=TOLERANCE, max_iter=MAX_ITERATIONS)
    model.fit(np.asarray(vectors, dtype=np.float32), targets)
    if scale == 2:
        weight[seen], bias[seen] = np.outer([-0.5, 0.5], model.coef_[0]), np.outer([-0.5, 0.5], model.intercept_)[:, 0]
    else:
        weight[seen], bias[seen] = model.coef_, model.intercept_
    return weight, bias
