"""The masked-LM losses of several streams out of one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from ..masked_lm.language_ids import LanguageIds
from ..masked_lm.loss import MaskedLMForward
from .stream_rows import StreamRows


__all__ = ["StreamLosses"]


class StreamLosses:
    """Calls a model once, and divides the loss by streams.

    Args:
        forward (`MaskedLMForward`): knows whether the model takes the loss at masked positions itself.
        ids (`LanguageIds`): of a model with language and script embeddings.
        weights (`Sequence[float]`): of each stream.
    """

    def __init__(self, forward: MaskedLMForward, ids: LanguageIds, weights: Sequence[float]) -> None:
        self._is_masked_only = forward.is_masked_only
        self._ids = ids
        self._num_streams = len(weights)

    def __call__(
        self,
        model: torch.nn.Module,
        encoder_inputs: dict[str, Any],
        rows: StreamRows,
        languages: torch.Tensor,
        scales: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The losses of the masked tokens, each multiplied by the scale of its stream.

        Args:
            model (`torch.nn.Module`): the model, in whatever wrapper it trains in.
            encoder_inputs (`dict`): what [`RowEncoding`] made of the rows.
            rows (`StreamRows`): the rows.
            languages (`torch.Tensor`): language of each pair. Shapes: (pairs,).
            scales (`torch.Tensor`): Shapes: (streams,).

        Returns:
            `tuple[torch.Tensor, torch.Tensor]`: the sum with a graph to every weight, Shapes: (), and the sums of the
            streams without one, Shapes: (streams,).
        """
        streams = rows.streams
        # Looked up before the model runs: afterwards it would wait for the model.
        masked = rows.labels.flatten().ne(-100).nonzero().squeeze(-1)
        own_stream = streams.flatten()[masked]
        known = self._ids.add_to({"language": languages})
        for key, ids in known.items():
            encoder_inputs[key] = ids[rows.segments.clamp(min=0) % rows.batch_size].masked_fill(rows.segments < 0, -1)
        if self._is_masked_only:
            divisors = 1 / scales.clamp(min=torch.finfo(scales.dtype).tiny)
            outputs = model(**encoder_inputs, labels=rows.labels, num_items_in_batch=divisors[streams])
            total, losses = outputs["loss"], outputs["loss_components"]["tokens"]
            losses = losses * scales[own_stream]
        else:
            logits = model(**encoder_inputs, return_dict=True)["logits"].flatten(0, 1)[masked]
            each = functional.cross_entropy(logits.float(), rows.labels.flatten()[masked], reduction="none")
            # The zero keeps every weight in the graph where no token is masked.
            total, losses = (each * scales[own_stream]).sum(), each.detach() * scales[own_stream]
        parts = torch.zeros(self._num_streams, dtype=losses.dtype, device=losses.device)
        return total, parts.index_add(0, own_stream, losses)
