"""What a model of before would have predicted, as a target: learning without forgetting."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint


__all__ = ["DistillationLoss", "distillation_loss"]

# Of one chunk of logits, of which four stand in memory at a time: two models' values and gradients.
_CHUNK_BYTES = 64 * 2**20


def distillation_loss(
    states: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    teacher_states: torch.Tensor,
    teacher_weight: torch.Tensor,
    teacher_bias: torch.Tensor | None,
    *,
    temperature: float = 1.0,
    chunk_bytes: int = _CHUNK_BYTES,
) -> torch.Tensor:
    """The divergence KL(teacher || model) of two LM heads over the teacher's vocabulary, summed over positions.

    Learning without Forgetting (Li & Hoiem 2016, equation 3, with the KL in place of the cross-entropy, whose gradient
    is the same and which is 0 where nothing was forgotten). The model may have more tokens than the teacher, whose
    tokens are its first ones: both distributions are over these alone. Chunks of positions are computed again in the
    backward pass, so that logits of all positions never stand in memory.

    Args:
        states (`torch.Tensor`): what the model's decoder takes. Shapes: (positions, hidden).
        weight (`torch.Tensor`): of the model's decoder. Shapes: (vocabulary, hidden).
        bias (`torch.Tensor`, *optional*): of the model's decoder. Shapes: (vocabulary,).
        teacher_states (`torch.Tensor`): the same of the teacher, a constant. Shapes: (positions, teacher hidden).
        teacher_weight (`torch.Tensor`): Shapes: (old vocabulary, teacher hidden).
        teacher_bias (`torch.Tensor`, *optional*): Shapes: (old vocabulary,).
        temperature (`float`, *optional*, defaults to 1.0): both logits are divided by it, and the loss multiplied by
            its square, so that gradients keep their size (Hinton et al. 2015).
        chunk_bytes (`int`, *optional*): size of one chunk of logits in single precision.

    Returns:
        `torch.Tensor`: 0 or more; 0 where there is no position. Shape: ().

    Raises:
        ValueError: if the shapes do not fit each other, or the temperature is not positive.
    """
    old = len(teacher_weight)
    if len(states) != len(teacher_states) or old > len(weight):
        raise ValueError(
            f"states are of {len(states)} and {len(teacher_states)} positions, and vocabularies of {len(weight)} and "
            f"{old}; needed are the same positions, and a teacher's vocabulary that is the first part of the model's"
        )
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; needed is a positive number")

    def divergence(chunk: torch.Tensor, teacher_chunk: torch.Tensor) -> torch.Tensor:
        logits = functional.linear(chunk, weight[:old], None if bias is None else bias[:old])
        with torch.no_grad():
            wanted = functional.linear(teacher_chunk, teacher_weight, teacher_bias)
        precise = torch.promote_types(logits.dtype, torch.float32)
        found, wanted = (part.to(precise).div(temperature).log_softmax(-1) for part in (logits, wanted))
        return functional.kl_div(found, wanted, reduction="sum", log_target=True)

    rows = max(1, chunk_bytes // (4 * old))
    # A sum of nothing keeps the graph.
    total = states.sum() * 0.0
    for chunk, teacher_chunk in zip(states.split(rows), teacher_states.detach().split(rows)):
        if len(chunk):
            total = total + checkpoint(divergence, chunk, teacher_chunk, use_reentrant=False)
    return total * temperature**2


class DistillationLoss(nn.Module):
    """[`distillation_loss`] with its setting.

    Args:
        temperature (`float`, *optional*, defaults to 1.0): see there.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    @property
    def citation(self) -> str:
        """BibTeX of the paper."""
        return (
            "@inproceedings{li-hoiem-2016-learning,\n  title = {Learning without Forgetting},\n"
            "  author = {Li, Zhizhong and Hoiem, Derek},\n  booktitle = {ECCV},\n  year = {2016}\n}"
        )

    def forward(
        self,
        states: torch.Tensor,
        decoder: nn.Linear,
        teacher_states: torch.Tensor,
        teacher_weight: torch.Tensor,
        teacher_bias: torch.Tensor | None,
    ) -> torch.Tensor:
        """The summed divergence.

        Args:
            states (`torch.Tensor`): Shapes: (positions, hidden).
            decoder (`nn.Linear`): the model's.
            teacher_states (`torch.Tensor`): Shapes: (positions, teacher hidden).
            teacher_weight (`torch.Tensor`): Shapes: (old vocabulary, teacher hidden).
            teacher_bias (`torch.Tensor`, *optional*): Shapes: (old vocabulary,).

        Returns:
            `torch.Tensor`: Shape: ().
        """
        return distillation_loss(
            states,
            decoder.weight,
            decoder.bias,
            teacher_states,
            teacher_weight,
            teacher_bias,
            temperature=self.temperature,
        )
