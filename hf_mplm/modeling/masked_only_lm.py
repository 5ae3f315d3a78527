"""What every masked-LM class of this package shares: the loss at masked positions only, and a pooler that is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from transformers.utils import ModelOutput

from .remote_code import package_module


__all__ = ["KeepsPooler", "KeptPooler", "MaskedOnlyLM", "MaskedOnlyOutput"]

if TYPE_CHECKING:
    from transformers import PreTrainedModel as _PreTrainedModel
else:
    # A mixin, which stands before the architecture's own classes.
    _PreTrainedModel = object

IGNORE_INDEX = -100

# The same loss with less work and memory, for training; a checkpoint's readers have `_plain_step`.
_QUICK = package_module("quick_step")

# Of the (batch, sequence) shape and the flat masked positions, or `None` for all: what is added before the LM head.
Addend = Callable[[torch.Size, torch.Tensor | None], torch.Tensor | None]

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

    def draw(self, std: float) -> None:
        """Draw the weights from N(0, std), from a seed of their own.

        Args:
            std (`float`): the encoder's `initializer_range`.
        """
        self.dense.draw(std)

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

    @torch.no_grad()
    def draw(self, std: float) -> None:
        """Draw the weights from N(0, std), from a seed of their own.

        Args:
            std (`float`): the encoder's `initializer_range`.
        """
        # torch.nn.init alone: transformers 5 makes these functions skip what a checkpoint has filled.
        generator = torch.Generator("cpu" if self.weight.is_meta else self.weight.device)
        nn.init.normal_(self.weight, std=std, generator=generator.manual_seed(POOLER_SEED))
        nn.init.zeros_(self.bias)


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
        if isinstance(module, KeptLinear):
            module.draw(self.config.initializer_range)
        elif isinstance(module, TokenTypeEmbedding):
            nn.init.zeros_(module.weight)


class MaskedOnlyLM(_PreTrainedModel):
    """A masked-LM model whose LM head sees masked positions only when labels are given.

    Comes first among the bases of a class whose others build the encoder and the head. Such a class says how to apply
    its LM head without the decoder in `_transform`.
    """

    # Trainer passes `num_items_in_batch` and does not divide by the accumulation steps; it is honoured on both stacks.
    accepts_loss_kwargs = True
    _keys_to_ignore_on_load_missing: set[str] | list[str] | None = KeepsPooler._keys_to_ignore_on_load_missing

    @property
    def loss_type(self) -> str:
        """transformers would derive it from the class name, and take the causal loss where it finds none."""
        return "ForMaskedLM"

    @loss_type.setter
    def loss_type(self, value: str) -> None:
        pass

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        return_logits: bool = False,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> MaskedOnlyOutput | tuple:
        """Predict masked tokens.

        Args:
            input_ids (`torch.Tensor`, *optional*): Shapes: (batch, sequence).
            attention_mask (`torch.Tensor`, *optional*): Shapes: (batch, sequence).
            token_type_ids (`torch.Tensor`, *optional*): Shapes: (batch, sequence).
            position_ids (`torch.Tensor`, *optional*): Shapes: (batch, sequence).
            inputs_embeds (`torch.Tensor`, *optional*): in place of `input_ids`. Shapes: (batch, sequence, hidden).
            labels (`torch.Tensor`, *optional*): Shapes: (batch, sequence), -100 where nothing is to be predicted.
            num_items_in_batch (`torch.Tensor` or `int`, *optional*):
                What the summed loss is divided by; by default this batch's masked tokens. With one number a token,
                Shapes: (batch, sequence), `loss_components["tokens"]` holds the loss of each masked token.
            return_logits (`bool`, *optional*, defaults to `False`): logits of every position even with labels.
            return_dict (`bool`, *optional*): `False` for a tuple.
            **kwargs: of the encoder, such as `output_hidden_states`.

        Returns:
            [`MaskedOnlyOutput`]: with labels `loss` and `loss_components`, without them `logits`.

        Raises:
            ValueError: if a label lies outside the vocabulary.
        """
        return self._masked_lm(
            {
                "input_ids": input_ids,
                "attention_mask": attention_mask,
                "token_type_ids": token_type_ids,
                "position_ids": position_ids,
                "inputs_embeds": inputs_embeds,
                **kwargs,
            },
            labels,
            num_items_in_batch,
            return_logits,
            return_dict,
        )

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        """The LM head without its decoder, Shapes: (..., hidden) to (..., hidden)."""
        raise TypeError(f"{type(self).__name__} does not say how its LM head transforms states")

    def _masked_lm(
        self,
        encoder_inputs: dict[str, Any],
        labels: torch.Tensor | None,
        num_items_in_batch: torch.Tensor | int | None,
        return_logits: bool,
        return_dict: bool | None,
        addend: Addend | None = None,
    ) -> MaskedOnlyOutput | tuple:
        """Encode, add what there is to add before the head, and predict.

        Args:
            encoder_inputs (`dict`): keyword arguments of the encoder.
            labels (`torch.Tensor`, *optional*): Shapes: (batch, sequence).
            num_items_in_batch (`torch.Tensor` or `int`, *optional*): what the summed loss is divided by.
            return_logits (`bool`): logits of all positions even with labels.
            return_dict (`bool`, *optional*): `False` for a tuple; by default as the configuration has it.
            addend (`Callable`, *optional*):
                Of the (batch, sequence) shape and the flat masked positions, or `None` for all of them: what is added
                to the states before the head. Shapes: (masked, hidden), or broadcasting to (batch, sequence, hidden).
        """
        given = {name: value for name, value in encoder_inputs.items() if value is not None}
        loss = logits = components = None
        if labels is None:
            outputs = self.base_model(**given, return_dict=True)
        else:
            step = _plain_step if _QUICK is None else _QUICK.quick_step
            outputs, loss, losses = step(self, given, labels, num_items_in_batch, return_logits, addend)
            components = {"mlm": loss.detach()}
            if isinstance(num_items_in_batch, torch.Tensor) and num_items_in_batch.dim() > 0:
                # For those who weighted the tokens, and want the parts of the sum.
                components["tokens"] = losses
        if labels is None or return_logits:
            hidden = outputs.last_hidden_state
            added = None if addend is None else addend(hidden.shape[:2], None)
            logits = self.get_output_embeddings()(self._transform(hidden if added is None else hidden + added))
        output = MaskedOnlyOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            loss_components=components,
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return output if return_dict else output.to_tuple()


def _plain_step(
    model: MaskedOnlyLM,
    inputs: dict[str, Any],
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | int | None,
    return_logits: bool,
    addend: Addend | None,
) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """What the encoder gave, the loss, and the loss of each masked token; arguments as in `_masked_lm`."""
    outputs = model.base_model(**inputs, return_dict=True)
    hidden = outputs.last_hidden_state
    flat = labels.to(hidden.device).flatten()
    positions = (flat != IGNORE_INDEX).nonzero().squeeze(-1)
    states = hidden.flatten(0, 1)[positions]
    added = None if addend is None else addend(labels.shape, positions)
    logits = model.get_output_embeddings()(model._transform(states if added is None else states + added))
    losses = functional.cross_entropy(logits.float(), flat[positions], reduction="none")
    items = max(len(positions), 1) if num_items_in_batch is None else num_items_in_batch
    if isinstance(items, torch.Tensor):
        items = items.to(losses.device)
        items = items.flatten()[positions] if items.dim() else items
    return outputs, (losses / items).sum(), losses.detach()
