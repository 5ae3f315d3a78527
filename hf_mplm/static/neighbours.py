"""Mutual similarities of the words of two languages, in blocks, from one product for both directions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


__all__ = ["Matches", "MutualNeighbours", "Similarities"]

# Cosines that are worked on at once. On a CPU they stay in its cache, where all but the product costs next to nothing.
_CPU_BLOCK, _GPU_BLOCK = 3_000_000, 64_000_000
# A cosine is kept as a 16-bit integer: within 1.6e-5 of it, and half the memory. 768 above it leave room for rounding.
_SCALE = 32_000
# Rows of which the largest cosine of each column is kept, so that a column's largest are sought in few of them.
_GROUP = 16


class Matches(NamedTuple):
    """The best word of the other side for each word.

    Args:
        forward (`Tensor`): position in the target of the best word of each source word; -1 where chance kept none.
            Shape: (source words,), int64.
        backward (`Tensor`): the same for the target words. Shape: (target words,), int64.
    """

    forward: Tensor
    backward: Tensor


class MutualNeighbours(NamedTuple):
    """Words that are each other's best.

    Args:
        pairs (`Tensor`): positions in source and target. Shape: (pairs, 2), int64.
        scores (`Tensor`): CSLS, 2 cos(x, z) - r(x) - r(z). Shape: (pairs,), float32.
    """

    pairs: Tensor
    scores: Tensor


class Similarities:
    """The cosines of all pairs of words of two languages, kept so that one product serves whatever is asked of them.

    What is kept takes 2 bytes a pair and an eighth byte more: 0.9 GB of 20,000 words a side.

    Args:
        source (`Tensor`): unit vectors. Shape: (source words, dimensions).
        target (`Tensor`): unit vectors. Shape: (target words, dimensions).
        neighbours (`int`): k of CSLS (Conneau et al. 2018, equation 2); 0 is the plain cosine.

    Attributes:
        source_penalty (`Tensor`): mean cosine of each source word to its k nearest target words. Shape: (source
            words,), float32.
        target_penalty (`Tensor`): the same of the target words. Shape: (target words,), float32.
        objective (`float`): mean cosine of both sides' words to the nearest word of the other side.
    """

    source_penalty: Tensor
    target_penalty: Tensor
    objective: float

    def __init__(self, source: Tensor, target: Tensor, neighbours: int = 10) -> None:
        self.target, self.neighbours = target, neighbours
        n, m, device = len(source), len(target), target.device
        limit = _CPU_BLOCK if device.type == "cpu" else _GPU_BLOCK
        self.step = max(1, limit // max(1, m) // _GROUP) * _GROUP
        self.cosines = torch.empty(n, m, dtype=torch.int16, device=device)
        self.group_maxima = torch.empty(-(-n // _GROUP), m, dtype=torch.int16, device=device)
        self.block, self.scores = (torch.empty(min(self.step, n), m, device=device) for _ in range(2))
        self.update(source)

    def update(self, source: Tensor) -> None:
        """Take other vectors of the same source words, in the memory that is there. Shape: as those of before."""
        k = max(1, min(self.neighbours, len(self.target)))
        nearest_source, source_penalty = [], []
        nearest_target = torch.full((len(self.target),), -torch.inf, device=self.target.device)
        for start in range(0, len(source), self.step):
            rows = source[start : start + self.step]
            block, scaled = self.block[: len(rows)], self.scores[: len(rows)]
            torch.mm(rows, self.target.T, out=block)
            best = block.topk(k, dim=1).values
            nearest_source.append(best[:, 0])
            source_penalty.append(best.mean(dim=1))
            torch.maximum(nearest_target, block.amax(dim=0), out=nearest_target)
            self.cosines[start : start + len(rows)] = torch.mul(block, _SCALE, out=scaled).round_()
            self._keep_maxima(scaled, start // _GROUP)
        both = torch.cat([*nearest_source, nearest_target])
        self.objective = float(both.mean(dtype=torch.float64))
        self.source_penalty, self.target_penalty = torch.cat(source_penalty), self._column_means()
        if not self.neighbours:
            self.source_penalty, self.target_penalty = map(torch.zeros_like, (self.source_penalty, nearest_target))

    def _keep_maxima(self, block: Tensor, first: int) -> None:
        whole = len(block) // _GROUP
        if whole:
            self.group_maxima[first : first + whole] = block[: whole * _GROUP].unflatten(0, (whole, _GROUP)).amax(1)
        if len(block) % _GROUP:
            self.group_maxima[first + whole] = block[whole * _GROUP :].amax(0)

    def _column_means(self) -> Tensor:
        """Mean of the k largest of each column: they stand in the k groups whose maxima are largest."""
        n, m = self.cosines.shape
        k = max(1, min(self.neighbours, n))
        within = torch.arange(_GROUP, device=self.cosines.device)
        means = []
        for columns in torch.arange(m, device=self.cosines.device).split(1024):
            maxima = self.group_maxima[:, columns[0] : columns[-1] + 1].T.float()
            groups = maxima.topk(min(k, len(self.group_maxima)), dim=1).indices
            rows = (groups[:, :, None] * _GROUP + within).flatten(1)
            # The last group may be short: what would stand behind it counts as the smallest there is.
            found = self.cosines.view(-1)[rows.clamp_max(n - 1) * m + columns[:, None]].float()
            found.masked_fill_(rows >= n, -_SCALE)
            means.append(found.topk(k, dim=1).values.mean(dim=1) / _SCALE)
        return torch.cat(means)

    def match(self, keep: float = 1.0, generator: torch.Generator | None = None) -> Matches:
        """The best word of the other side by CSLS, for each word of both sides.

        Args:
            keep (`float`, *optional*, defaults to 1): probability with which a pair can be chosen (2018b, section
                3.3), so that other dictionaries are tried; in steps of 1/256. The paper sets the scores of the others
                to 0; here they are out, whatever the sign of those that are kept.
            generator (`torch.Generator`, *optional*): draws which are kept.
        """
        device = self.cosines.device
        # A word's own penalty is the same for all its candidates.
        source_penalty, target_penalty = self.source_penalty[:, None] * -_SCALE, self.target_penalty * -_SCALE
        forward = []
        best = torch.full((len(self.target),), -torch.inf, device=device)
        backward = torch.zeros(len(self.target), dtype=torch.int64, device=device)
        for start in range(0, len(self.cosines), self.step):
            kept = self.cosines[start : start + self.step]
            block, scores = self.block[: len(kept)], self.scores[: len(kept)]
            block.copy_(kept)
            if keep < 1:
                _drop(block, keep, generator, scores)
            score, column = torch.add(target_penalty, block, alpha=2, out=scores).max(dim=1)
            forward.append(column.masked_fill_(score < _LOST, -1))
            torch.add(source_penalty[start : start + self.step], block, alpha=2, out=scores)
            score, row = scores.max(dim=0)
            torch.where(score > best, row + start, backward, out=backward)
            torch.maximum(best, score, out=best)
        return Matches(torch.cat(forward), backward.masked_fill_(best < _LOST, -1))

    def mutual(self) -> MutualNeighbours:
        """The words that are each other's best by CSLS, in the order of the source."""
        matches = self.match()
        source = torch.arange(len(matches.forward), device=matches.forward.device)
        source = source[matches.backward[matches.forward] == source]
        target = matches.forward[source]
        cosines = self.cosines[source, target].float() / _SCALE
        scores = 2 * cosines - self.source_penalty[source] - self.target_penalty[target]
        return MutualNeighbours(torch.stack([source, target], dim=1), scores)


# 2 cos - r is at least -3; of what is dropped it is at most 2 - 8 + 1.
_LOST = -4 * _SCALE


def _drop(block: Tensor, keep: float, generator: torch.Generator | None, noise: Tensor) -> None:
    """Lower all but a random share of a block by 4 at least (of cosines times the scale).

    A byte a pair, of which eight are drawn at once, and arithmetic in place of a mask: several times as fast on a CPU.
    """
    drawn = torch.empty(-(-block.numel() // 8), dtype=torch.int64, device=block.device)
    # From the least integer, without an end: all 64 bits.
    drawn.random_(-(2**63), None, generator=generator)
    noise.copy_(drawn.view(torch.uint8)[: block.numel()].view_as(block))
    noise.sub_(round(keep * 256) - 0.5).clamp_min_(0)
    block.sub_(noise, alpha=8 * _SCALE)
