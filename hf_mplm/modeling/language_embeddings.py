"""Embeddings of languages and of scripts, and looking ids up in them."""

from __future__ import annotations

import torch
from torch import nn


__all__ = ["LangScriptEmbedding", "embed_ids"]


class LangScriptEmbedding(nn.Embedding):
    """A table of languages or of scripts, drawn from N(0, 0.02) whatever the encoder's own initialisation is."""

    def reset_parameters(self) -> None:
        """Draw all rows anew."""
        nn.init.normal_(self.weight, std=0.02)

    def grow(self, size: int) -> None:
        """Add rows until there are `size`; the old ones keep their values.

        Args:
            size (`int`): number of rows afterwards.
        """
        added = self.weight.new_empty((size - self.num_embeddings, self.embedding_dim))
        nn.init.normal_(added, std=0.02)
        self.weight = nn.Parameter(torch.cat([self.weight.detach(), added]), requires_grad=self.weight.requires_grad)
        self.num_embeddings = size


def embed_ids(
    name: str,
    table: LangScriptEmbedding | None,
    ids: torch.Tensor | None,
    default: int,
    shape: torch.Size,
    positions: torch.Tensor | None,
) -> torch.Tensor | None:
    """The table's rows for some positions of a batch, or for all.

    Args:
        name (`str`): `language` or `script`, for errors.
        table ([`LangScriptEmbedding`], *optional*): `None` where the table is off.
        ids (`torch.Tensor`, *optional*): Shapes: (batch,) or (batch, sequence); -1 for a row of zeros.
        default (`int`): the id where no ids are given.
        shape (`torch.Size`): (batch, sequence).
        positions (`torch.Tensor`, *optional*): indices into the flattened (batch * sequence). Shapes: (masked,).

    Returns:
        `torch.Tensor` or `None`: Shapes: (masked, hidden), or (batch, 1 or sequence, hidden) without positions; `None`
        where there is nothing to add.

    Raises:
        ValueError: if an id lies beyond the table, or the ids' shape does not fit the batch.
    """
    if table is None:
        return None
    batch, sequence = shape
    device = table.weight.device
    if ids is None:
        # In training every parameter takes part in every step, with or without ids: DDP waits for all gradients.
        if default < 0 and not (torch.is_grad_enabled() and table.weight.requires_grad):
            return None
        ids = torch.full((batch,), default, device=device)
    ids = ids.to(device)
    if tuple(ids.shape) not in ((batch,), (batch, sequence)):
        raise ValueError(
            f"{name}_ids of shape {tuple(ids.shape)} do not fit a batch of {batch} x {sequence}; "
            f"give ({batch},) or ({batch}, {sequence})"
        )
    if ids.numel():
        low, high = (int(bound) for bound in torch.aminmax(ids))
        if low < -1 or high >= table.num_embeddings:
            raise ValueError(
                f"{name} id {low if low < -1 else high} lies beyond the table of {table.num_embeddings} {name}s: give "
                f"ids from 0 to {table.num_embeddings - 1}, -1 for none, or call add_languages first"
            )
    if positions is not None:
        ids = ids.index_select(0, positions // sequence) if ids.dim() == 1 else ids.flatten()[positions]
    elif ids.dim() == 1:
        ids = ids.unsqueeze(-1)
    return table(ids.clamp(min=0)).masked_fill((ids < 0).unsqueeze(-1), 0.0)
