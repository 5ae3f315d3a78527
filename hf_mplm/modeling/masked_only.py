"""What every masked-LM class of this package shares: the loss at masked positions only, and a pooler that is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers.utils import ModelOutput

from .masked_lm import masked_lm_loss


__all__ = ["KeepsPooler", "KeptPooler", "MaskedOnlyLM", "MaskedOnlyOutput"]

if TYPE_CHECKING:
    from transformers import PreTrainedModel as _PreTrainedModel
else:
    # A mixin, which stands before the architecture's own classes.
    _PreTrainedModel = object

# "hf_mplm" on a telephone's keys; any constant does, so long as it never changes.
POOLER_SEED = 4306756


@dataclass
class MaskedOnlyOutput(ModelOutput):
    """Output of a masked-LM class of this package.

    Attributes:
        loss (`torch.Tensor`, *optional*): scalar, present with labels.
        logits (`torch.Tensor`, *optional*):
            Shapes: (batch, sequence, vocabulary). Present without labels, or with `return_logits=True`.
        hidden_states (`tuple`, *optional*): with `output_hidden_states=True`.
        attentions (`tuple`, *optional*): with `output_attentions=True`.
        loss_components (`dict`, *optional*): the loss by its parts, detached scalars; present with labels.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    loss_components: dict[str, torch.Tensor] | None = None


class KeptPooler(nn.Module):
    """The weights of an encoder's pooler, kept for those who load the encoder; masked-LM training never runs them.

    Args:
        hidden_size (`int`): width of the encoder.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.dense = KeptLinear(hidden_size)

    def forward(self, hidden_states: torch.Tensor) -> None:
        """Nothing: an encoder without a pooler gives `None` too.

        Args:
            hidden_states (`torch.Tensor`): Shapes: (batch, sequence, hidden).
        """


class KeptLinear(nn.Module):
    """A square linear layer's weights, as buffers: no optimizer, weight decay or unused-parameter check sees them.

    Args:
        size (`int`): input and output features.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(size, size))
        self.register_buffer("bias", torch.zeros(size))


class TokenTypeEmbedding(nn.Embedding):
    """A token-type table that is zero, adding nothing to any token, where a checkpoint has none."""


class KeepsPooler(_PreTrainedModel):
    """An encoder inside a masked-LM class, built without a pooler, that keeps one nevertheless.

    `AutoModel` would otherwise draw a new pooler at every load of the checkpoint, and BERT's sequence classifier would
    train on it. Where a checkpoint has none, one is drawn once, from a seed of its own.
    """

    _keys_to_ignore_on_load_missing = [r"pooler\.dense\.", r"embeddings\.token_type_embeddings\."]

    def __init__(self, config: Any) -> None:
        super().__init__(config, add_pooling_layer=False)
        self.pooler = KeptPooler(config.hidden_size)
        embeddings: Any = self.embeddings
        embeddings.token_type_embeddings = TokenTypeEmbedding(config.type_vocab_size, config.hidden_size)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        # torch.nn.init alone: transformers 5 makes these functions skip what a checkpoint has filled.
        if isinstance(module, KeptLinear):
            generator = torch.Generator("cpu" if module.weight.is_meta else module.weight.device)
            generator.manual_seed(POOLER_SEED)
            nn.init.normal_(module.weight, std=self.config.initializer_range, generator=generator)
            nn.init.zeros_(module.bias)
        elif isinstance(module, TokenTypeEmbedding):
            nn.init.zeros_(module.weight)


class MaskedOnlyLM(_PreTrainedModel):
    """A masked-LM model whose LM head sees masked positions only when labels are given.

    Comes first among the bases of a class whose others build the encoder and the head. Such a class says how to apply
    its LM head without the decoder in `_transform`.
    """

    # Trainer passes `num_items_in_batch` and does not divide by the accumulation steps; it is honoured on both stacks.
    accepts_loss_kwargs = True
    loss_type = "ForMaskedLM"
    _keys_to_ignore_on_load_missing = KeepsPooler._keys_to_ignore_on_load_missing

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        """The LM head without its decoder, Shapes: (..., hidden) to (..., hidden)."""
        raise TypeError(f"{type(self).__name__} does not say how its LM head transforms states")

    def _masked_lm(
        self,
        encoder_inputs: dict[str, Any],
        labels: torch.Tensor | None,
        num_items_in_batch: torch.Tensor | int | None,
        return_logits: bool,
        addend: Callable[[torch.Size, torch.Tensor | None], torch.Tensor | None] | None = None,
    ) -> MaskedOnlyOutput:
        """Encode, add what there is to add before the head, and predict.

        Args:
            encoder_inputs (`dict`): keyword arguments of the encoder.
            labels (`torch.Tensor`, *optional*): Shapes: (batch, sequence).
            num_items_in_batch (`torch.Tensor` or `int`, *optional*): what the summed loss is divided by.
            return_logits (`bool`): logits of all positions even with labels.
            addend (`Callable`, *optional*):
                Of the (batch, sequence) shape and the flat masked positions, or `None` for all of them: what is added
                to the states before the head. Shapes: (masked, hidden), or broadcasting to (batch, sequence, hidden).
        """
        decoder = self.get_output_embeddings()
        outputs = self.base_model(
            **{name: value for name, value in encoder_inputs.items() if value is not None}, return_dict=True
        )
        hidden = outputs.last_hidden_state
        shape = hidden.shape[:2]
        loss = logits = components = None
        if labels is not None:
            loss = masked_lm_loss(
                hidden,
                labels,
                self._transform,
                decoder,
                num_items_in_batch=num_items_in_batch,
                addend=None if addend is None else lambda positions: addend(shape, positions),
            ).loss
            components = {"mlm": loss.detach()}
        if labels is None or return_logits:
            added = None if addend is None else addend(shape, None)
            logits = decoder(self._transform(hidden if added is None else hidden + added))
        return MaskedOnlyOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            loss_components=components,
        )
