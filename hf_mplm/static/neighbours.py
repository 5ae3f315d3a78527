"""Mutual similarities of the words of two languages, in blocks, from one product for both directions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


__all__ = ["Matches", "Similarities"]

# Rows of a block such that it holds this many cosines, 64 MiB of float32.
_BLOCK = 16_000_000
# A cosine is kept as a 16-bit integer: within 1.6e-5 of it, and half the memory.
_SCALE = 32_767


class Matches(NamedTuple):
    """The best word of the other side for each word.

    Args:
        forward (`Tensor`): position in the target of the best word of each source word. Shape: (source words,), int64.
        backward (`Tensor`): the same for the target words. Shape: (target words,), int64.
        objective (`float`): mean cosine of both sides' words to the nearest word of the other side.
    """

    forward: Tensor
    backward: Tensor
    objective: float


class Similarities:
    """The cosines of all pairs of words of two languages, kept so that one product serves whatever is asked of them.

    Args:
        source (`Tensor`): unit vectors. Shape: (source words, dimensions).
        target (`Tensor`): unit vectors. Shape: (target words, dimensions).
        neighbours (`int`): k of CSLS (Conneau et al. 2018, equation 2); 0 is the plain cosine.
    """

    def __init__(self, source: Tensor, target: Tensor, neighbours: int = 10) -> None:
        self.step = max(1, _BLOCK // max(1, len(target)))
        k_target, k_source = min(neighbours, len(target)), min(neighbours, len(source))
        self.scores = torch.empty(len(source), len(target), dtype=torch.int16, device=source.device)
        nearest_forward, penalty_source = [], []
        # The k largest of each column so far; blocks join them one after the other.
        columns = torch.full((max(1, k_source), len(target)), -2.0, device=source.device)
        for start in range(0, len(source), self.step):
            block = source[start : start + self.step] @ target.T
            self.scores[start : start + self.step] = (block.clamp(-1, 1) * _SCALE).round_().to(torch.int16)
            best = block.topk(max(1, k_target), dim=1).values
            nearest_forward.append(best[:, 0])
            penalty_source.append(best.mean(dim=1))
            columns = torch.cat([columns, block.topk(min(len(columns), len(block)), dim=0).values])
            columns = columns.topk(max(1, k_source), dim=0).values
        self.nearest_forward, self.nearest_backward = torch.cat(nearest_forward), columns[0]
        penalised = neighbours > 0
        self.penalty_source = torch.cat(penalty_source) if penalised else torch.zeros_like(self.nearest_forward)
        self.penalty_target = columns.mean(dim=0) if penalised else torch.zeros_like(columns[0])

    @property
    def objective(self) -> float:
        """Mean cosine of both sides' words to the nearest word of the other side."""
        both = torch.cat([self.nearest_forward, self.nearest_backward])
        return float(both.mean(dtype=torch.float64))

    def match(self, keep: float = 1.0, generator: torch.Generator | None = None) -> Matches:
        """The best word of the other side by CSLS, for each word of both sides.

        Args:
            keep (`float`, *optional*, defaults to 1): probability with which a pair's score is kept; the others count
                as 0 (2018b, section 3.3), so that other dictionaries are tried.
            generator (`torch.Generator`, *optional*): draws which are kept.
        """
        forward = []
        best_score = torch.full((self.scores.shape[1],), -torch.inf, device=self.scores.device)
        backward = torch.zeros(self.scores.shape[1], dtype=torch.int64, device=self.scores.device)
        for start in range(0, len(self.scores), self.step):
            block = self.scores[start : start + self.step].to(torch.float32).mul_(2 / _SCALE)
            block -= self.penalty_source[start : start + self.step, None]
            block -= self.penalty_target
            if keep < 1:
                drawn = torch.empty(block.shape, dtype=torch.uint8, device=block.device)
                # 16 bits would tell 0.1 more exactly; of a dictionary that is drawn anew each time, 26/256 will do.
                block.masked_fill_(drawn.random_(generator=generator) >= round(keep * 256), 0.0)
            forward.append(block.argmax(dim=1))
            score, row = block.max(dim=0)
            better = score > best_score
            best_score = torch.where(better, score, best_score)
            backward = torch.where(better, row + start, backward)
        return Matches(torch.cat(forward), backward, self.objective)
