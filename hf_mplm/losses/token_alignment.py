"""An explicit alignment of the words of a sentence with their romanisations."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


__all__ = ["TokenAlignmentLoss", "token_alignment_loss"]


def token_alignment_loss(
    source: torch.Tensor, romanized: torch.Tensor, sentences: torch.Tensor, *, temperature: float = 0.1
) -> torch.Tensor:
    """Let every word find its romanisation among the words of the same sentence, and the other way round.

    The cross-entropy of `cosine / temperature` against the word at the same place, averaged over both directions.
    Not in the paper, which aligns tokens through TLM alone and leaves alignment of words open; the form is that of
    Chi et al. 2021 (XLM-Align), with the alignment known instead of estimated. Negatives stay within the sentence,
    where a word is what its place says; across sentences the same word would be its own negative.

    Args:
        source (`torch.Tensor`): vectors of words of original sentences. Shapes: (words, hidden).
        romanized (`torch.Tensor`): vectors of the same words, romanised. Shapes: (words, hidden).
        sentences (`torch.Tensor`): which sentence each word is of, -1 for a row to leave out. Shapes: (words,).
        temperature (`float`, *optional*, defaults to 0.1): what cosines are divided by.

    Returns:
        `torch.Tensor`: scalar with a graph; 0 where there are no words. Shape: ().

    Raises:
        ValueError: on shapes that do not fit, or a temperature that is not positive.
    """
    if source.shape != romanized.shape or source.dim() != 2 or sentences.shape != source.shape[:1]:
        raise ValueError(
            f"source has shape {tuple(source.shape)}, romanized {tuple(romanized.shape)} and sentences "
            f"{tuple(sentences.shape)}; give (words, hidden) twice and (words,)"
        )
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, but it must be positive: 0.1, for example")
    with torch.autocast(source.device.type, enabled=False):
        precise = torch.promote_types(source.dtype, torch.float32)
        counted = sentences >= 0
        left = functional.normalize(source.to(precise).masked_fill(~counted[:, None], 0), dim=-1)
        right = functional.normalize(romanized.to(precise).masked_fill(~counted[:, None], 0), dim=-1)
        scores = left @ right.t() / temperature
        # A row that is left out keeps itself, so that no row is without a candidate.
        together = (sentences[:, None] == sentences) & counted
        together = together | torch.eye(len(sentences), dtype=torch.bool, device=sentences.device)
        scores = scores.masked_fill(~together, float("-inf"))
        losses = torch.logsumexp(scores, 1) + torch.logsumexp(scores, 0) - 2 * scores.diagonal()
        return losses.masked_fill(~counted, 0).sum() / (2 * counted.sum()).clamp(min=1)


class TokenAlignmentLoss(nn.Module):
    """[`token_alignment_loss`] with its temperature.

    Args:
        temperature (`float`, *optional*, defaults to 0.1): what cosines are divided by.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, source: torch.Tensor, romanized: torch.Tensor, sentences: torch.Tensor) -> torch.Tensor:
        """See [`token_alignment_loss`].

        Args:
            source (`torch.Tensor`): Shapes: (words, hidden).
            romanized (`torch.Tensor`): Shapes: (words, hidden).
            sentences (`torch.Tensor`): Shapes: (words,).
        """
        return token_alignment_loss(source, romanized, sentences, temperature=self.temperature)

    def extra_repr(self) -> str:
        """The temperature."""
        return f"temperature={self.temperature}"

    @property
    def citation(self) -> str:
        """BibTeX of the paper whose form the loss has."""
        return (
            "@inproceedings{chi-etal-2021-improving,\n"
            "  title = {Improving Pretrained Cross-Lingual Language Models via Self-Labeled Word Alignment},\n"
            "  author = {Chi, Zewen and Dong, Li and Zheng, Bo and Huang, Shaohan and Mao, Xian-Ling and Huang, Heyan "
            "and Wei, Furu},\n  booktitle = {Proceedings of ACL 2021},\n  year = {2021}\n}"
        )
