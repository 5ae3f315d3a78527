"""An encoder out of any checkpoint that `AutoModel` loads."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.jobs.progress import progress_bar
from hf_mplm.modeling.pooling import capture_layer, default_layer, mean_pool, truncated_encoder

from .batching import default_device, default_tokens_per_batch, evaluation_mode, length_sorted_batches
from .encoder_protocol import Encoder, encode_in, needs_language
from .loading import load_model, load_tokenizer, model_revision, position_limit
from .sentence_modules import SentenceModules, SentencePooling


__all__ = [
    "POOLINGS",
    "Encoder",
    "TransformerEncoder",
    "View",
    "default_device",
    "default_tokens_per_batch",
    "encode_in",
    "evaluation_mode",
    "length_sorted_batches",
    "needs_language",
]

logger = logging.getLogger(__name__)

Key = TypeVar("Key")

POOLINGS = ("mean", "cls")
"""How the states of a layer become one vector: their mean, or the first token's state."""

# Texts that are tokenised in one call: enough for the tokenizer's threads, few enough to hold.
TOKENIZER_CHUNK = 4096


class View(NamedTuple):
    """One way to make a vector of a sentence.

    Args:
        layer (`int`): Index into `hidden_states`; at full depth the final-normed states.
        pooling (`str`): `"mean"` or `"cls"`, the first token's state.
    """

    layer: int
    pooling: str


class TransformerEncoder:
    """Mean-pooled hidden states of any encoder that `AutoModel` loads.

    The model runs up to the layer that is pooled and no further. Sentences are sorted by length over everything that
    one call is given, equal sentences are encoded once, and a batch holds a number of tokens rather than a number of
    sentences, so that next to no padding is computed. The result does not depend on any of this beyond rounding.

    Args:
        model (`PreTrainedModel`): An encoder.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        layer (`int`, *optional*): Index into `hidden_states`, by default two thirds of the depth (8 of 12), as the
            papers' evaluation has it.
        special_tokens (`bool`, *optional*, defaults to `True`): Whether `<s>` and `</s>` count in the mean, as in the
            papers' evaluation. They are always part of the input.
        max_length (`int`, *optional*, defaults to 512): Longest input in tokens, special tokens included.
        tokens_per_batch (`int`, *optional*): Size of a batch in tokens, padding included; by default 512 on a CPU and
            65,536 on an accelerator.
        device (`str` or `torch.device`, *optional*): By default an accelerator if there is one.
        name (`str`, *optional*): What the results call the model.
        revision (`str`, *optional*, defaults to `""`): Which version of it this is.
        prompt (`str`, *optional*, defaults to `""`): What is put before every sentence, such as `"query: "`.
        pooling (`SentencePooling`, *optional*): What takes the place of the mean, over the layer that it asks for,
            most often the last: the modules of a sentence-transformers folder.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        layer: int | None = None,
        special_tokens: bool = True,
        max_length: int = 512,
        tokens_per_batch: int | None = None,
        device: str | torch.device | None = None,
        name: str | None = None,
        revision: str = "",
        prompt: str = "",
        pooling: SentencePooling | None = None,
    ) -> None:
        depth = int(model.config.num_hidden_layers)
        if layer is None:
            layer = default_layer(depth) if pooling is None else pooling.modules_of_folder.layer_of(depth)
        if not 0 <= layer <= depth:
            raise ValueError(f"layer {layer} does not exist: the model has the layers 0 (embeddings) to {depth}")
        self.device = torch.device(device) if device is not None else default_device()
        # The base model: heads take no part, and its hidden states are the checkpoint's.
        self.model: PreTrainedModel = model.base_model.to(self.device)  # type: ignore[assignment]
        self.tokenizer = tokenizer
        self.layer = layer
        self.special_tokens = special_tokens
        self.prompt = prompt
        self.pooling = None if pooling is None else pooling.to(self.device)
        if self.modules is not None:
            max_length = self.modules.max_length or int(tokenizer.model_max_length)
        self.max_length = min(max_length, position_limit(model, tokenizer))
        self.tokens_per_batch = tokens_per_batch or default_tokens_per_batch(self.device)
        self.name = name or str(model.config.name_or_path)
        self.revision = revision
        try:
            with truncated_encoder(self.model, layer):
                self.stops_early = True
        except ValueError as error:
            # An architecture that keeps its layers elsewhere is measured as well, its later layers being wasted.
            logger.warning("all layers are computed: %s", error)
            self.stops_early = False

    @property
    def modules(self) -> SentenceModules | None:
        """The modules of the sentence-transformers folder by which it pools, if it does."""
        return None if self.pooling is None else self.pooling.modules_of_folder

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        hub_revision: str | None = None,
        trust_remote_code: bool = False,
        subfolder: str = "",
        modules: SentenceModules | None = None,
        **kwargs: object,
    ) -> TransformerEncoder:
        """Load a checkpoint in float32.

        Args:
            model (`str` or `Path`): Hub id or folder.
            hub_revision (`str`, *optional*): Commit, tag or branch on the Hub.
            trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.
            subfolder (`str`, *optional*, defaults to `""`): The folder of the encoder within it.
            modules (`SentenceModules`, *optional*): The modules by which it pools, as [`read_sentence_modules`] finds
                them; the mean of a layer by default.
            **kwargs: The keyword arguments of [`TransformerEncoder`].

        Returns:
            `TransformerEncoder`: The encoder.
        """
        kwargs.setdefault("name", str(model))
        how: dict[str, Any] = {
            "revision": hub_revision,
            "trust_remote_code": trust_remote_code,
            "subfolder": subfolder,
        }
        if "revision" not in kwargs:
            kwargs["revision"] = model_revision(model, **how)
        if modules is not None:
            kwargs["pooling"] = SentencePooling.from_pretrained(model, modules, hub_revision)
        return cls(
            load_model(model, **how),
            load_tokenizer(model, **how),
            **kwargs,  # type: ignore[arg-type]
        )

    def encode(self, texts: Sequence[str], *, progress: bool = False, language: str | None = None) -> np.ndarray:
        """Encode sentences.

        Args:
            texts (`Sequence[str]`): The sentences, none of which may be without tokens to pool.
            progress (`bool`, *optional*, defaults to `False`): Whether to show a progress bar.
            language (`str`, *optional*): Not used: it encodes all languages alike.

        Returns:
            `np.ndarray`: The mean of the layer's states. Shape: (texts, hidden size), float32.

        Raises:
            ValueError: If one string is given instead of a list, or a sentence has no token that counts in the mean.
        """
        if isinstance(texts, str):
            raise ValueError("one string was given as texts, whose letters are no sentences; type: encode([text])")
        unique, inverse = _unique(texts)
        prompt_length = self._prompt_length()
        ids, special = self._tokenize([self._prepared(text) for text in unique])
        for text, row, mask in zip(unique, ids, special):
            if not self._has_tokens(row, mask):
                raise ValueError(f"the tokenizer maps {text!r} to no token; leave such sentences out")

        def pool(hidden: Mapping[int, Tensor], attended: Tensor, counted: Tensor) -> dict[int, Tensor]:
            states = hidden[self.layer]
            if self.pooling is not None:
                return {self.layer: self.pooling(states, attended, prompt_length)}
            return {self.layer: mean_pool(states, counted)}

        return self._run(ids, special, {self.layer}, pool, progress)[self.layer][inverse]

    def encode_views(
        self, texts: Sequence[str], views: Sequence[View], *, progress: bool = False
    ) -> tuple[np.ndarray, dict[View, np.ndarray]]:
        """Encode sentences in several views, by one forward pass up to the deepest layer among them.

        Args:
            texts (`Sequence[str]`): The sentences.
            views (`Sequence[View]`): Layers and poolings, instead of the encoder's own.
            progress (`bool`, *optional*, defaults to `False`): Whether to show a progress bar.

        Returns:
            `tuple[np.ndarray, dict[View, np.ndarray]]`: Which of the sentences have tokens that count in a mean, and
            the vectors of these in each view. Shapes: (texts,), bool; (sentences with tokens, hidden size), float32.

        Raises:
            ValueError: If there is no such layer or pooling.
        """
        if isinstance(texts, str):
            raise ValueError(
                "one string was given as texts, whose letters are no sentences; type: encode_views([text])"
            )
        depth = int(self.model.config.num_hidden_layers)
        for view in views:
            if not 0 <= view.layer <= depth or view.pooling not in POOLINGS:
                raise ValueError(
                    f"there is no {view.pooling} of layer {view.layer}: the model has the layers 0 (embeddings) to "
                    f"{depth}, and the poolings are {', '.join(POOLINGS)}"
                )
        unique, inverse = _unique(texts)
        ids, special = self._tokenize([self._prepared(text) for text in unique])
        full = np.fromiter(map(self._has_tokens, ids, special), dtype=bool, count=len(ids))
        kept = np.flatnonzero(full)
        ids, special = [ids[row] for row in kept], [special[row] for row in kept]

        def pool(hidden: Mapping[int, Tensor], _: Tensor, counted: Tensor) -> dict[View, Tensor]:
            return {
                view: mean_pool(hidden[view.layer], counted) if view.pooling == "mean" else hidden[view.layer][:, 0]
                for view in views
            }

        vectors = self._run(ids, special, {view.layer for view in views}, pool, progress)
        place = np.cumsum(full) - 1
        wanted = full[inverse]
        chosen = place[inverse[wanted]]
        return wanted, {view: vectors[view][chosen] for view in views}

    def _run(
        self,
        ids: Sequence[np.ndarray],
        special: Sequence[np.ndarray],
        layers: set[int],
        pool: Callable[[Mapping[int, Tensor], Tensor, Tensor], dict[Key, Tensor]],
        progress: bool,
    ) -> dict[Key, np.ndarray]:
        """Pool the states of layers in batches of like length; the one place that batches."""
        vectors: dict[Key, np.ndarray] = defaultdict(lambda: np.empty((0, 0), dtype=np.float32))
        lengths = [len(row) for row in ids]
        bar = progress_bar(
            total=sum(lengths), unit="tok", unit_scale=True, desc="encoding", shown=progress, leave=False
        )
        with torch.inference_mode(), bar, evaluation_mode(self.model), self._stopping_at(max(layers)):
            for rows in length_sorted_batches(lengths, self.tokens_per_batch):
                states = self._states([ids[row] for row in rows], [special[row] for row in rows], layers)
                for key, batch in pool(*states).items():
                    if key not in vectors:
                        vectors[key] = np.empty((len(ids), batch.shape[1]), dtype=np.float32)
                    vectors[key][rows] = batch.float().cpu().numpy()
                bar.update(sum(lengths[row] for row in rows))
        return vectors

    def _prepared(self, text: str) -> str:
        text = self.prompt + text
        if self.modules is None:
            return text
        # As sentence-transformers does, whose scores depend on it where a tokenizer keeps outer spaces.
        text = text.strip()
        return text.lower() if self.modules.lower_case else text

    def _prompt_length(self) -> int:
        """Count the tokens of the prompt, special ones before it included, where they are not to be pooled."""
        if self.modules is None or self.modules.include_prompt or not self.prompt:
            return 0
        (ids,), (special,) = self._tokenize([self.prompt.strip()])
        return len(ids) - int(special[-1])

    def _tokenize(self, texts: Sequence[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        ids: list[np.ndarray] = []
        special: list[np.ndarray] = []
        for start in range(0, len(texts), TOKENIZER_CHUNK):
            encoded = self.tokenizer(
                list(texts[start : start + TOKENIZER_CHUNK]),
                truncation=True,
                max_length=self.max_length,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                return_special_tokens_mask=True,
            )
            ids.extend(np.asarray(row, dtype=np.int32) for row in encoded["input_ids"])
            special.extend(np.asarray(row, dtype=bool) for row in encoded["special_tokens_mask"])
        return ids, special

    def _has_tokens(self, ids: np.ndarray, special: np.ndarray) -> bool:
        return len(ids) > 0 and (self.special_tokens or not special.all())

    def _states(
        self, ids: Sequence[np.ndarray], special: Sequence[np.ndarray], layers: set[int]
    ) -> tuple[dict[int, Tensor], Tensor, Tensor]:
        """The states of layers, the attention mask, and which tokens count in a mean."""
        longest = max(len(row) for row in ids)
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        input_ids = np.full((len(ids), longest), pad, dtype=np.int64)
        attention = np.zeros((len(ids), longest), dtype=np.int64)
        pooled = np.zeros((len(ids), longest), dtype=np.int64)
        for index, (row, mask) in enumerate(zip(ids, special)):
            input_ids[index, : len(row)] = row
            attention[index, : len(row)] = 1
            pooled[index, : len(row)] = 1 if self.special_tokens else ~mask
        inputs = {"input_ids": torch.from_numpy(input_ids).to(self.device)}
        inputs["attention_mask"] = torch.from_numpy(attention).to(self.device)
        counted = torch.from_numpy(pooled).to(self.device)
        depth, deepest = int(self.model.config.num_hidden_layers), max(layers)
        if self.stops_early or layers == {depth}:
            with ExitStack() as stack:
                kept = {layer: stack.enter_context(capture_layer(self.model, layer)) for layer in layers - {deepest}}
                outputs = self.model(**inputs, return_dict=True)
            hidden = {layer: states[0] for layer, states in kept.items()}
        else:
            outputs = self.model(**inputs, return_dict=True, output_hidden_states=True)
            hidden = {layer: outputs.hidden_states[layer] for layer in layers}
        if self.stops_early or deepest == depth:
            hidden[deepest] = outputs.last_hidden_state
        return hidden, inputs["attention_mask"], counted

    @contextmanager
    def _stopping_at(self, layer: int) -> Iterator[None]:
        if not self.stops_early:
            yield
            return
        with truncated_encoder(self.model, layer):
            yield


def _unique(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    positions: dict[str, int] = {}
    inverse = np.fromiter((positions.setdefault(text, len(positions)) for text in texts), dtype=np.int64)
    return list(positions), inverse
