"""Where the vectors of sentences come from: an encoder, the same encoder with random weights, or letters alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from hf_mplm.evaluation.encoder import POOLINGS, TransformerEncoder, View
from hf_mplm.evaluation.loading import load_tokenizer
from hf_mplm.modeling.reading import load_config

from .space import RANDOM


__all__ = [
    "CHARACTERS",
    "CharacterSource",
    "EncoderSource",
    "SentenceSource",
    "check_views",
    "parse_view",
    "resolve_layers",
    "view_name",
]

CHARACTERS = "characters"
"""The view of character n-grams."""


class SentenceSource(Protocol):
    """What gives sentences vectors. It is sent to other processes, and loads there what it needs."""

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Encode sentences.

        Args:
            texts (`Sequence[str]`): the sentences.

        Returns:
            `tuple[np.ndarray, dict[str, np.ndarray]]`: which of them have a vector, and the vectors of these in each
            view. Shapes: (texts,), bool; (sentences with a vector, dimension).
        """
        ...


@dataclass(frozen=True)
class EncoderSource:
    """Layers of an encoder.

    Args:
        model (`str`): folder, or id on the Hub.
        views (`tuple[View, ...]`): layers and poolings.
        revision (`str`, *optional*): of a model on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with it may run.
        random_seed (`int`, *optional*): draws the weights anew, as a control: what is left is the tokenizer's and the
            architecture's doing.
        tokens_per_batch (`int`, *optional*): as for [`TransformerEncoder`].
        device (`str`, *optional*): by default an accelerator if there is one.
    """

    model: str
    views: tuple[View, ...]
    revision: str | None = None
    trust_remote_code: bool = False
    random_seed: int | None = None
    tokens_per_batch: int | None = None
    device: str | None = None

    def load(self) -> TransformerEncoder:
        """The encoder, read anew."""
        settings: dict[str, Any] = {
            "tokens_per_batch": self.tokens_per_batch,
            "device": self.device,
            "special_tokens": False,
        }
        if self.random_seed is None:
            return TransformerEncoder.from_pretrained(
                self.model, hub_revision=self.revision, trust_remote_code=self.trust_remote_code, **settings
            )
        import torch
        from transformers import AutoModel

        config = load_config(self.model, revision=self.revision, trust_remote_code=self.trust_remote_code)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_seed)
            model = AutoModel.from_config(config, trust_remote_code=self.trust_remote_code)
        tokenizer = load_tokenizer(self.model, revision=self.revision, trust_remote_code=self.trust_remote_code)
        return TransformerEncoder(model.float(), tokenizer, name=self.model, **settings)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Encode sentences; the mean is over the tokens that are not special. The encoder stays in memory."""
        kept, vectors = _load(self).encode_views(texts, self.views)
        return kept, {view_name(view, self.random_seed is not None): rows for view, rows in vectors.items()}


@dataclass(frozen=True)
class CharacterSource:
    """Which character n-grams a sentence has, hashed: what spelling alone tells, as a control.

    The vector of a language is the share of its sentences in which each n-gram stands. That finds relatives better
    than counts do, of which a few letters make up most.

    Args:
        longest (`int`, *optional*, defaults to 3): letters of the longest n-gram.
        dimension (`int`, *optional*, defaults to 2,048): into which the n-grams are hashed.
    """

    longest: int = 3
    dimension: int = 2048

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Encode sentences, each as a vector of ones and zeros."""
        from sklearn.feature_extraction.text import HashingVectorizer

        vectorizer = HashingVectorizer(
            analyzer="char",
            ngram_range=(1, self.longest),
            n_features=self.dimension,
            norm=None,
            alternate_sign=False,
            binary=True,
            dtype=np.float64,
        )
        return np.ones(len(texts), dtype=bool), {CHARACTERS: vectorizer.transform(texts).toarray()}


def view_name(view: View, random: bool = False) -> str:
    """The name of a view of an encoder, such as `layer4-mean`, or `random-layer4-mean` of random weights."""
    return f"{RANDOM if random else ''}layer{view.layer}-{view.pooling}"


def parse_view(name: str) -> View:
    """The view of an encoder that [`view_name`] named.

    Raises:
        ValueError: if the name is of something else, such as letters or random weights.
    """
    layer, _, pooling = name.removeprefix("layer").partition("-")
    if not name.startswith("layer") or not layer.isdigit() or pooling not in POOLINGS:
        raise ValueError(f"{name} is no view of an encoder, as layer4-mean is")
    return View(int(layer), pooling)


def resolve_layers(layers: Sequence[str | int], depth: int) -> list[int]:
    """Layers by number, or by the words `third` (of the depth, rounded) and `last`.

    Args:
        layers (`Sequence[str | int]`): the layers.
        depth (`int`): `config.num_hidden_layers`.

    Raises:
        ValueError: if one is no layer.
    """
    words = {"third": round(depth / 3), "last": depth}
    found = []
    for layer in layers:
        number = words.get(str(layer), layer)
        try:
            found.append(int(number))
        except ValueError:
            raise ValueError(f"layer {layer!r} is no number; needed is 0 to {depth}, third or last") from None
        if not 0 <= found[-1] <= depth:
            raise ValueError(f"layer {layer} does not exist: the model has the layers 0 (embeddings) to {depth}")
    return list(dict.fromkeys(found))


def check_views(layers: Sequence[int], poolings: Sequence[str]) -> tuple[tuple[View, ...], list[View]]:
    """The views of all layers and poolings, and those that would tell nothing.

    At layer 0 the first token has seen no other, so that it is one vector for all sentences.

    Args:
        layers (`Sequence[int]`): layers.
        poolings (`Sequence[str]`): `mean`, `cls` or both.

    Raises:
        ValueError: if there is no such pooling, or no view is left.
    """
    for pooling in poolings:
        if pooling not in POOLINGS:
            raise ValueError(f"there is no pooling {pooling!r}; needed is one of {', '.join(POOLINGS)}")
    views = [View(layer, pooling) for layer in layers for pooling in dict.fromkeys(poolings)]
    empty = [view for view in views if view == View(0, "cls")]
    kept = tuple(view for view in views if view not in empty)
    if not kept:
        raise ValueError(
            "layer 0 with cls is one vector for all sentences, because its first token has seen no other; give "
            "--layers 1 or more, or --pooling mean"
        )
    return kept, empty


@lru_cache(maxsize=2)
def _load(source: EncoderSource) -> TransformerEncoder:
    return source.load()
