"""How many labels and tokens a batch holds, for one stream or for several with prefixes."""

from __future__ import annotations

from typing import Any

import torch


__all__ = ["attended_tokens", "count_labels", "label_keys"]

LABELS = "labels"
ATTENTION_MASK = "attention_mask"


def label_keys(batch: dict[str, Any]) -> list[str]:
    """The keys of labels in a batch: `labels`, `source_labels`, ..., in the batch's order."""
    return [key for key in batch if key == LABELS or key.endswith(f"_{LABELS}")]


def count_labels(batch: dict[str, Any], key: str) -> torch.Tensor:
    """Labels that are to be predicted, that is not -100. Shape: ()."""
    return batch[key].ne(-100).sum()


def attended_tokens(batch: dict[str, Any]) -> torch.Tensor | None:
    """Tokens of all streams that are not padding, or `None` where no attention mask says so. Shape: ()."""
    masks = [batch[key].sum() for key in batch if key == ATTENTION_MASK or key.endswith(f"_{ATTENTION_MASK}")]
    return torch.stack(masks).sum() if masks else None
