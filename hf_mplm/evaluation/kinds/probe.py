from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch


__all__ = ["LinearProbe"]

# Weights of the squared norm, of which the dev set chooses.
PENALTIES = (1.0, 0.1, 0.01, 0.001)
MAX_ITERATIONS = 100


@dataclass
class LinearProbe:
    """Multinomial logistic regression on frozen vectors: the same every time, and done in a second.

    Args:
        mean (`np.ndarray`): Mean of the training vectors. Shape (dimension,).
        scale (`np.ndarray`): Their standard deviation. Shape (dimension,).
        weight (`np.ndarray`): Shape (labels, dimension).
        bias (`np.ndarray`): Shape (labels,).
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
            train (`np.ndarray`): Training vectors. Shape (n, dimension).
            train_labels (`Sequence[int]`): Their labels.
            dev (`np.ndarray`): Dev vectors. Shape (m, dimension).
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
            vectors (`np.ndarray`): Shape (n, dimension).

        Returns:
            `np.ndarray`: Shape (n,), int64.
        """
        scores: np.ndarray = ((vectors - self.mean) / self.scale) @ self.weight.T + self.bias
        return scores.argmax(axis=1)


def _fit(vectors: np.ndarray, labels: Sequence[int], num_labels: int, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Minimise the mean cross-entropy plus `penalty / 2` times the squared norm of the weights, which is convex."""
    inputs = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
    targets = torch.tensor(list(labels))
    weight = torch.zeros(num_labels, inputs.shape[1], requires_grad=True)
    bias = torch.zeros(num_labels, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(inputs @ weight.T + bias, targets)
        loss = loss + penalty / 2 * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach().numpy(), bias.detach().numpy()
