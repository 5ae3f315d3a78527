"""A dependency parser over any encoder: the biaffine attention of Dozat & Manning (2017)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from .trees import best_tree
from .words import gather_words


__all__ = ["BiaffineHead", "BiaffineParser", "ParserStates"]

# Section 3.1 of the paper.
ARC_SIZE, RELATION_SIZE, DROPOUT = 500, 100, 0.33


class ParserStates(NamedTuple):
    """Words as dependents and as heads.

    Args:
        arc_dependents (`Tensor`): Shape: (batch, words, arc size).
        arc_heads (`Tensor`): With the root before the words. Shape: (batch, words + 1, arc size).
        relation_dependents (`Tensor`): Shape: (batch, words, relation size).
        relation_heads (`Tensor`): Shape: (batch, words + 1, relation size).
    """

    arc_dependents: Tensor
    arc_heads: Tensor
    relation_dependents: Tensor
    relation_heads: Tensor


class BiaffineHead(nn.Module):
    """Scores arcs and their relations (Dozat & Manning 2017, sections 2 and 3).

    Args:
        hidden_size (`int`): Size of the encoder's states.
        num_relations (`int`): Number of relations.
        arc_size (`int`, *optional*, defaults to 500): Size of the states that score arcs.
        relation_size (`int`, *optional*, defaults to 100): Size of the states that score relations.
        dropout (`float`, *optional*, defaults to 0.33): Dropout of both.
    """

    def __init__(
        self,
        hidden_size: int,
        num_relations: int,
        *,
        arc_size: int = ARC_SIZE,
        relation_size: int = RELATION_SIZE,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__()

        def perceptron(size: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(hidden_size, size), nn.LeakyReLU(0.1), nn.Dropout(dropout))

        self.arc_dependent, self.arc_head = perceptron(arc_size), perceptron(arc_size)
        self.relation_dependent, self.relation_head = perceptron(relation_size), perceptron(relation_size)
        # Both sides of a relation have a bias, the dependent's side of an arc has one (equations 2 and 3).
        self.arc_weight = nn.Parameter(torch.empty(arc_size + 1, arc_size))
        self.relation_weight = nn.Parameter(torch.zeros(num_relations, relation_size + 1, relation_size + 1))
        nn.init.normal_(self.arc_weight, std=arc_size**-0.5)
        nn.init.normal_(self.relation_weight, std=relation_size**-0.5)

    def forward(self, words: Tensor, root: Tensor) -> ParserStates:
        """Look at words as dependents and as heads.

        Args:
            words (`Tensor`): One state a word. Shape: (batch, words, hidden size).
            root (`Tensor`): The state that stands for the root. Shape: (batch, hidden size).

        Returns:
            `ParserStates`: The states.
        """
        heads = torch.cat([root.unsqueeze(1), words], dim=1)
        return ParserStates(
            self.arc_dependent(words),
            self.arc_head(heads),
            self.relation_dependent(words),
            self.relation_head(heads),
        )

    def arcs(self, states: ParserStates) -> Tensor:
        """Score every word as head of every other.

        Args:
            states (`ParserStates`): The states.

        Returns:
            `Tensor`: Shape: (batch, words, words + 1), where head 0 is the root.
        """
        scores: Tensor = _with_one(states.arc_dependents) @ self.arc_weight @ states.arc_heads.transpose(1, 2)
        return scores

    def relations(self, states: ParserStates, heads: Tensor) -> Tensor:
        """Score the relations of words to one head each.

        Args:
            states (`ParserStates`): The states.
            heads (`Tensor`): The heads, 0 for the root. Shape: (batch, words).

        Returns:
            `Tensor`: Shape: (batch, words, relations).
        """
        chosen = gather_words(states.relation_heads, heads)
        return torch.einsum(
            "bwd,rdh,bwh->bwr", _with_one(states.relation_dependents), self.relation_weight, _with_one(chosen)
        )


class BiaffineParser(PreTrainedModel):
    """An encoder with a biaffine head over the first subword of each word; its first token stands for the root.

    Args:
        encoder (`PreTrainedModel`): The encoder.
        num_relations (`int`): Number of relations.
    """

    base_model_prefix = "encoder"
    # The encoder has already been given its attention; the parser around it has none of its own.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, encoder: PreTrainedModel, num_relations: int) -> None:
        super().__init__(encoder.config)
        self.encoder = encoder
        self.head = BiaffineHead(int(encoder.config.hidden_size), num_relations)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, positions: Tensor) -> ParserStates:
        """Encode sentences and look at their words as dependents and as heads.

        Args:
            input_ids (`Tensor`): Shape: (batch, length).
            attention_mask (`Tensor`): Shape: (batch, length).
            positions (`Tensor`): Where the words start, -1 where there is none. Shape: (batch, words).

        Returns:
            `ParserStates`: The states in float32.
        """
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        parsed: ParserStates = self.head(gather_words(states, positions), states[:, 0])
        return parsed

    def parse(self, input_ids: Tensor, attention_mask: Tensor, positions: Tensor) -> list[np.ndarray]:
        """Find the best tree of each sentence and the likeliest relation of each of its arcs.

        Args:
            input_ids (`Tensor`): Shape: (batch, length).
            attention_mask (`Tensor`): Shape: (batch, length).
            positions (`Tensor`): Where the words start, -1 where there is none. Shape: (batch, words).

        Returns:
            `list[np.ndarray]`: Heads and relations of each sentence, int32. Shape: (2, words).
        """
        states = self(input_ids, attention_mask, positions)
        scores = self.head.arcs(states).cpu().numpy()
        lengths = (positions >= 0).sum(1).tolist()
        heads = np.zeros(tuple(positions.shape), dtype=np.int64)
        for row, length in enumerate(lengths):
            heads[row, :length] = best_tree(scores[row, :length, : length + 1])
        chosen = self.head.relations(states, torch.from_numpy(heads).to(positions.device)).argmax(-1).cpu().numpy()
        return [
            np.stack([heads[row, :length], chosen[row, :length]]).astype(np.int32)
            for row, length in enumerate(lengths)
        ]


def _with_one(states: Tensor) -> Tensor:
    return torch.cat([states, torch.ones_like(states[..., :1])], dim=-1)
