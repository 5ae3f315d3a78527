"""What every masked-LM class of this package shares: the loss at masked positions only, and a pooler that is kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers.utils import ModelOutput

from .final_layer import can_narrow, narrowed_final_layer
from .masked_lm import IGNORE_INDEX, masked_lm_loss
from .tied_lookup import tied_lookup


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

    @classmethod
    def load_with_head(cls, name_or_path: str | os.PathLike[str], **kwargs: Any) -> Any:
        """`from_pretrained` that refuses a checkpoint without its LM head.

        Args:
            name_or_path (`str` or `os.PathLike`): Hub id or folder.
            **kwargs: of `from_pretrained`.

        Returns:
            the model.

        Raises:
            ValueError: if any weight would have to be drawn at random.
        """
        loaded: Any = cls.from_pretrained(name_or_path, output_loading_info=True, **kwargs)
        model, report = loaded
        if missing := sorted(report["missing_keys"]):
            raise ValueError(
                f"{name_or_path} lacks {', '.join(missing[:4])}{', ...' if len(missing) > 4 else ''}, which would be "
                "drawn at random: an encoder saved without its LM head starts from random predictions; give the "
                "masked-LM checkpoint that it came from"
            )
        return model

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
        addend: Callable[[torch.Size, torch.Tensor | None], torch.Tensor | None] | None = None,
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
        decoder = self.get_output_embeddings()
        given = {name: value for name, value in encoder_inputs.items() if value is not None}
        positions = None if labels is None or return_logits else self._narrowing(given, labels)
        # Without labels the stock decoder runs, which would add its gradient to the weight by itself.
        tied = tied_lookup(self.get_input_embeddings() if labels is not None else nn.Identity(), decoder)
        narrowed = nullcontext() if positions is None else narrowed_final_layer(self.base_model, positions)
        with tied as weights, narrowed:
            outputs = self.base_model(**given, return_dict=True)
        hidden = outputs.last_hidden_state
        loss = logits = components = None
        if labels is not None:
            shape = labels.shape
            per_token = isinstance(num_items_in_batch, torch.Tensor) and num_items_in_batch.dim() > 0
            if positions is not None:
                labels = _at(positions, labels)
                num_items_in_batch = _at(positions, num_items_in_batch) if per_token else num_items_in_batch
            result = masked_lm_loss(
                hidden,
                labels,
                self._transform,
                decoder,
                num_items_in_batch=num_items_in_batch,
                addend=addend and (lambda found: addend(shape, found if positions is None else positions)),
                weight=weights[-1] if weights else None,
            )
            loss = result.loss
            components = {"mlm": loss.detach()}
            if per_token:
                # For those who weighted the tokens, and want the parts of the sum.
                components["tokens"] = result.losses
        if labels is None or return_logits:
            added = None if addend is None else addend(hidden.shape[:2], None)
            logits = decoder(self._transform(hidden if added is None else hidden + added))
        output = MaskedOnlyOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            loss_components=components,
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return output if return_dict else output.to_tuple()

    def _narrowing(self, given: dict[str, Any], labels: torch.Tensor) -> torch.Tensor | None:
        """The masked positions, (masked,), where the last layer may compute them alone; otherwise `None`."""
        tokens = given.get("input_ids", given.get("inputs_embeds"))
        if tokens is None or tokens.shape[:2] != labels.shape or given.get("output_hidden_states"):
            return None
        if not can_narrow(self.base_model):
            return None
        return labels.to(tokens.device).flatten().ne(IGNORE_INDEX).nonzero().squeeze(-1)


def _at(positions: torch.Tensor, values: Any) -> torch.Tensor:
    """The values of some positions, as one row. Shapes: (batch, sequence) to (1, positions)."""
    return values.to(positions.device).flatten()[positions][None]
