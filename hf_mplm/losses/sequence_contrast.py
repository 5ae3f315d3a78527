"""The sentence-level contrast of original and romanised text (SEQ)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from .gathering import gather_rows, world_size


__all__ = ["SIMILARITIES", "SequenceContrast", "SequenceContrastLoss", "sequence_contrast_loss"]

SIMILARITIES = ("dot", "cosine")


class SequenceContrast(NamedTuple):
    """What [`sequence_contrast_loss`] returns.

    Attributes:
        loss (`torch.Tensor`): scalar with a graph; its mean over processes is the loss of the whole batch. Shape: ().
        num_pairs (`torch.Tensor`): pairs that took part, of all processes where they were gathered. Shape: ().
    """

    loss: torch.Tensor
    num_pairs: torch.Tensor


def sequence_contrast_loss(
    source: torch.Tensor,
    romanized: torch.Tensor,
    valid: torch.Tensor | None = None,
    *,
    temperature: float = 1.0,
    similarity: str = "dot",
    gather: bool = True,
) -> SequenceContrast:
    """Contrast every sentence with its romanisation against all other sentences and romanisations of the batch.

    `-log softmax(sim(x, x+) / t)`, averaged over both directions (Xhelili et al. 2024, section 3.2; TransliCo, Liu et
    al. 2024). With G pairs in the batch of all processes, each of the 2G anchors has one positive and
    2G - 2 negatives. The paper's similarity is the dot product at temperature 1. The published code multiplies by 0.5,
    which the formula does not have; give the term half its weight for that.

    The gradient averaged over processes, as DDP averages it, is that of one process with the whole batch.

    Args:
        source (`torch.Tensor`): vectors of the original sentences. Shapes: (pairs, hidden), the same on all processes.
        romanized (`torch.Tensor`): vectors of their romanisations. Shapes: (pairs, hidden).
        valid (`torch.Tensor`, *optional*): False for pairs that take no part, neither as anchors nor as negatives,
            such as those with nothing to pool. Shapes: (pairs,).
        temperature (`float`, *optional*, defaults to 1.0): what similarities are divided by.
        similarity (`str`, *optional*, defaults to `"dot"`): `"dot"` or `"cosine"`.
        gather (`bool`, *optional*, defaults to `True`): take negatives from all processes; otherwise each process is
            a batch of its own.

    Returns:
        [`SequenceContrast`]: 0, with a graph, where no pair is valid.

    Raises:
        ValueError: on shapes that do not fit, a temperature that is not positive, or an unknown similarity.
    """
    if source.shape != romanized.shape or source.dim() != 2:
        raise ValueError(
            f"source has shape {tuple(source.shape)} and romanized {tuple(romanized.shape)}; give two matrices of "
            "shape (pairs, hidden), row i of one belonging to row i of the other"
        )
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, but it must be positive; the paper's is 1.0")
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity {similarity!r} is unknown; choose one of {', '.join(SIMILARITIES)}")
    if valid is None:
        valid = torch.ones(len(source), dtype=torch.bool, device=source.device)
    with torch.autocast(source.device.type, enabled=False):
        return _contrast(source, romanized, valid.bool(), temperature, similarity, gather)


def _contrast(
    source: torch.Tensor,
    romanized: torch.Tensor,
    valid: torch.Tensor,
    temperature: float,
    similarity: str,
    gather: bool,
) -> SequenceContrast:
    precise = torch.promote_types(source.dtype, torch.float32)
    # Interleaving is not needed: row i and row i + pairs belong together. What takes no part becomes zeros first, so
    # that nothing in it, not even NaN, reaches a gradient.
    own = torch.stack([source, romanized], 1).to(precise).masked_fill(~valid[:, None, None], 0)
    if similarity == "cosine":
        own = functional.normalize(own, dim=-1)
    everyone, first = gather_rows(own) if gather else (own, 0)
    taking_part = gather_rows(valid)[0] if gather else valid
    num_pairs = taking_part.sum()

    pairs = len(own)
    anchors = own.flatten(0, 1)  # (2 * pairs, hidden): source and romanisation of each pair side by side
    scores = anchors @ everyone.flatten(0, 1).t() / temperature
    itself = torch.arange(2 * pairs, device=own.device) + 2 * first
    columns = torch.arange(scores.shape[1], device=own.device)
    hidden = (columns == itself[:, None]) | ~taking_part.repeat_interleave(2)
    scores = scores.masked_fill(hidden, float("-inf"))
    anchoring = valid.repeat_interleave(2)
    # Rows of pairs that take no part would be all -inf; they are counted out, and must not be NaN before that.
    scores = scores.masked_fill(~anchoring[:, None], 0)
    positives = scores.gather(1, (itself ^ 1)[:, None]).squeeze(1)
    losses = (torch.logsumexp(scores, 1) - positives).masked_fill(~anchoring, 0)
    share = world_size() if gather else 1
    return SequenceContrast(losses.sum() * share / (2 * num_pairs).clamp(min=1), num_pairs)


class SequenceContrastLoss(nn.Module):
    """[`sequence_contrast_loss`] with its hyper-parameters.

    ```python
    loss = SequenceContrastLoss(temperature=1.0)
    loss(mean_pool(source_states, source_mask), mean_pool(romanized_states, romanized_mask)).loss.backward()
    ```

    Args:
        temperature (`float`, *optional*, defaults to 1.0): what similarities are divided by.
        similarity (`str`, *optional*, defaults to `"dot"`): `"dot"` or `"cosine"`.
        gather (`bool`, *optional*, defaults to `True`): take negatives from all processes.
    """

    def __init__(self, temperature: float = 1.0, similarity: str = "dot", gather: bool = True) -> None:
        super().__init__()
        self.temperature, self.similarity, self.gather = temperature, similarity, gather

    def forward(
        self, source: torch.Tensor, romanized: torch.Tensor, valid: torch.Tensor | None = None
    ) -> SequenceContrast:
        """See [`sequence_contrast_loss`].

        Args:
            source (`torch.Tensor`): Shapes: (pairs, hidden).
            romanized (`torch.Tensor`): Shapes: (pairs, hidden).
            valid (`torch.Tensor`, *optional*): Shapes: (pairs,).
        """
        return sequence_contrast_loss(
            source,
            romanized,
            valid,
            temperature=self.temperature,
            similarity=self.similarity,
            gather=self.gather,
        )

    def extra_repr(self) -> str:
        """The hyper-parameters."""
        return f"temperature={self.temperature}, similarity={self.similarity!r}, gather={self.gather}"

    @property
    def citation(self) -> str:
        """BibTeX of the paper."""
        return (
            "@inproceedings{xhelili-etal-2024-breaking,\n"
            "  title = {Breaking the Script Barrier in Multilingual Pre-Trained Language Models with "
            "Transliteration-Based Post-Training Alignment},\n"
            '  author = {Xhelili, Orgest and Liu, Yihong and Sch{\\"u}tze, Hinrich},\n'
            "  booktitle = {Findings of EMNLP 2024},\n  year = {2024}\n}"
        )
