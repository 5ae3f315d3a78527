"""Whether a mapping gains: by pairs that it has not seen, or by how near mutual neighbours come."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_mplm.evaluation.metrics.similarity import csls_penalty

from .mapping import Mapping, choose_device, unit_vectors
from .neighbours import MutualNeighbours, Similarities
from .word_table import WordTable


__all__ = ["held_out_precision", "induce_dictionary", "mutual_csls", "mutual_neighbours"]

_UNMOVED = Mapping()


def held_out_precision(
    source: Tensor,
    target: Tensor,
    pairs: Tensor,
    mapping: Mapping = _UNMOVED,
    *,
    neighbours: int = 10,
    cutoff: int = 20_000,
) -> float:
    """Share of the pairs' source words whose nearest target word by CSLS is one of their translations.

    Args:
        source (`Tensor`): normalised vectors, the most frequent words first. Shape: (source words, dimensions).
        target (`Tensor`): the same. Shape: (target words, dimensions).
        pairs (`Tensor`): positions of words that translate each other. Shape: (pairs, 2), int64.
        mapping (`Mapping`, *optional*): what both sides are multiplied by; nothing by default.
        neighbours (`int`, *optional*, defaults to 10): k of CSLS.
        cutoff (`int`, *optional*, defaults to 20000): the candidates are the most frequent so many target words and
            the pairs' own; as many source words give the penalties.
    """
    frequent = torch.arange(min(cutoff, len(target)), device=target.device)
    candidates = torch.cat([frequent, pairs[:, 1]]).unique()
    index = unit_vectors(target[candidates], mapping.target)
    penalty = csls_penalty(index, unit_vectors(source[:cutoff], mapping.source), neighbours)
    gold: dict[int, set[int]] = {}
    for row, column in pairs.tolist():
        gold.setdefault(row, set()).add(column)
    right = 0
    for queries in torch.tensor(list(gold), device=source.device).split(512):
        scores = 2 * unit_vectors(source[queries], mapping.source) @ index.T - penalty
        found = candidates[scores.argmax(dim=1)].tolist()
        right += sum(column in gold[row] for row, column in zip(queries.tolist(), found))
    return right / len(gold)


def mutual_neighbours(
    source: Tensor, target: Tensor, mapping: Mapping = _UNMOVED, *, neighbours: int = 10, cutoff: int = 20_000
) -> MutualNeighbours:
    """The frequent words of two languages that are each other's best by CSLS.

    Args:
        source (`Tensor`): normalised vectors, the most frequent words first. Shape: (source words, dimensions).
        target (`Tensor`): the same. Shape: (target words, dimensions).
        mapping (`Mapping`, *optional*): what both sides are multiplied by; nothing by default.
        neighbours (`int`, *optional*, defaults to 10): k of CSLS.
        cutoff (`int`, *optional*, defaults to 20000): the most frequent so many words of each side.
    """
    sides = unit_vectors(source[:cutoff], mapping.source), unit_vectors(target[:cutoff], mapping.target)
    return Similarities(*sides, neighbours).mutual()


def mutual_csls(found: MutualNeighbours) -> tuple[float, int]:
    """Mean CSLS of mutual neighbours, the sign of a good map where there is no dictionary, and how many there are."""
    return (float(found.scores.mean()) if len(found.scores) else 0.0), len(found.scores)


def induce_dictionary(
    table: WordTable,
    hub: WordTable,
    *,
    neighbours: int = 10,
    cutoff: int = 20_000,
    device: str | torch.device | None = None,
) -> list[tuple[str, str, float]]:
    """A dictionary out of two languages that share a space: the frequent words that are each other's best by CSLS.

    Args:
        table (`WordTable`): the one language.
        hub (`WordTable`): the other.
        neighbours (`int`, *optional*, defaults to 10): k of CSLS.
        cutoff (`int`, *optional*, defaults to 20000): the most frequent so many words of each.
        device (`str` or `torch.device`, *optional*): CUDA where there is one, otherwise the CPU.

    Returns:
        `list[tuple[str, str, float]]`: a word, its translation and their CSLS, in the order of the first language.
    """
    place = choose_device(device)
    source, target = (torch.from_numpy(side.vectors[:cutoff]).to(place) for side in (table, hub))
    found = mutual_neighbours(source, target, neighbours=neighbours, cutoff=cutoff)
    rows = zip(found.pairs.tolist(), found.scores.tolist())
    return [(table.words[row], hub.words[column], score) for (row, column), score in rows]
