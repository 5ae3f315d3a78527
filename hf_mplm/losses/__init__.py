"""Losses: tensors in, scalar and named parts out; a file each. Imports nothing of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .canonical_correlation import CanonicalCorrelation, canonical_correlation_loss
    from .distillation import DistillationLoss, distillation_loss
    from .gathering import gather_rows
    from .sequence_contrast import SequenceContrastLoss, sequence_contrast_loss
    from .subspace_alignment import subspace_alignment_loss
    from .token_alignment import TokenAlignmentLoss, token_alignment_loss

__all__ = [
    "CanonicalCorrelation",
    "DistillationLoss",
    "SequenceContrastLoss",
    "TokenAlignmentLoss",
    "canonical_correlation_loss",
    "distillation_loss",
    "gather_rows",
    "sequence_contrast_loss",
    "subspace_alignment_loss",
    "token_alignment_loss",
]

_NAMES = {
    "canonical_correlation": [
        "CanonicalCorrelation",
        "canonical_correlation_loss",
    ],
    "distillation": [
        "DistillationLoss",
        "distillation_loss",
    ],
    "gathering": [
        "gather_rows",
    ],
    "sequence_contrast": [
        "SequenceContrastLoss",
        "sequence_contrast_loss",
    ],
    "subspace_alignment": [
        "subspace_alignment_loss",
    ],
    "token_alignment": [
        "TokenAlignmentLoss",
        "token_alignment_loss",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
