"""The encoder of a worker process: cut at its layer, loaded once, and the states of batches of sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.data.tokenizing.word_tokenizer import WordTokenizer
from hf_mplm.evaluation.encoder import (
    default_device,
    default_tokens_per_batch,
    evaluation_mode,
    length_sorted_batches,
)
from hf_mplm.evaluation.loading import load_model, load_tokenizer, position_limit
from hf_mplm.modeling.pooling import truncated_encoder


__all__ = ["EncoderSpec", "LayerEncoder", "forget_encoder", "load_encoder", "one_thread"]


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder a process loads.

    Args:
        model (`str`): folder or id on the Hub.
        revision (`str`, *optional*): commit, tag or branch on the Hub.
        trust_remote_code (`bool`): whether code that comes with it may run.
        layer (`int`): where it ends.
        max_length (`int`): tokens of a sentence, at most.
        dtype (`str`): in which it computes.
        tokens_per_batch (`int`, *optional*): tokens of a batch; by default what suits the device.
    """

    model: str
    revision: str | None
    trust_remote_code: bool
    layer: int
    max_length: int
    dtype: str = "float32"
    tokens_per_batch: int | None = None


class LayerEncoder:
    """The states of one layer for sentences that are given as tokens.

    Args:
        model (`PreTrainedModel`): an encoder.
        tokenizer (`PreTrainedTokenizerBase`): its tokenizer.
        layer (`int`): index into `hidden_states`.
        max_length (`int`, *optional*, defaults to 512): tokens of a sentence, special tokens included.
        tokens_per_batch (`int`, *optional*): tokens of a batch, padding included.
        device (`str` or `torch.device`, *optional*): by default an accelerator if there is one.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        layer: int,
        *,
        max_length: int = 512,
        tokens_per_batch: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.device = torch.device(device) if device is not None else default_device()
        self.model: PreTrainedModel = model.base_model.to(self.device)  # type: ignore[assignment]
        self.layer = layer
        self.words = WordTokenizer(tokenizer, min(max_length, position_limit(model, tokenizer)))
        self.padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        self.tokens_per_batch = tokens_per_batch or default_tokens_per_batch(self.device)
        self.dimension = int(model.config.hidden_size)

    def batches(self, ids: Sequence[np.ndarray]) -> Iterator[tuple[list[int], Tensor]]:
        """Encode sentences, those of similar length together.

        Args:
            ids (`Sequence[np.ndarray]`): the tokens of each, special ones included.

        Yields:
            `tuple[list[int], Tensor]`: places of the sentences of a batch, and their states, of which those behind a
            sentence's end mean nothing. Shape: (batch, longest, size), float32.
        """
        lengths = [len(row) for row in ids]
        with evaluation_mode(self.model), truncated_encoder(self.model, self.layer) as encoder:
            for rows in length_sorted_batches(lengths, self.tokens_per_batch):
                inputs = np.full((len(rows), lengths[rows[0]]), self.padding, dtype=np.int64)
                mask = np.zeros_like(inputs)
                for place, row in enumerate(rows):
                    inputs[place, : lengths[row]] = ids[row]
                    mask[place, : lengths[row]] = 1
                given = {"input_ids": torch.from_numpy(inputs), "attention_mask": torch.from_numpy(mask)}
                # Not around the whole loop, where it would reach into whoever consumes these batches.
                with torch.no_grad():
                    outputs = encoder(
                        **{name: value.to(self.device) for name, value in given.items()}, return_dict=True
                    )
                yield rows, outputs.last_hidden_state.float()


_loaded: dict[EncoderSpec, LayerEncoder] = {}


def load_encoder(spec: EncoderSpec, place: int = 0) -> LayerEncoder:
    """The encoder of this process, loaded when it is first asked for.

    Args:
        spec (`EncoderSpec`): which.
        place (`int`, *optional*, defaults to 0): which of several GPUs, when it is first asked for. A process stays
            there: parts come to it in any order, and would have it load once more for each.
    """
    if spec not in _loaded:
        _loaded.clear()
        _loaded[spec] = _load(spec, place)
    return _loaded[spec]


def forget_encoder() -> None:
    """Let go of what [`load_encoder`] has loaded."""
    _loaded.clear()


def _load(spec: EncoderSpec, place: int) -> LayerEncoder:
    options = {"trust_remote_code": spec.trust_remote_code, "revision": spec.revision}
    model = load_model(spec.model, **options).to(getattr(torch, spec.dtype))  # type: ignore[arg-type]
    device = default_device()
    if device.type == "cuda":
        device = torch.device("cuda", place % torch.cuda.device_count())
    return LayerEncoder(
        model,
        load_tokenizer(spec.model, **options),  # type: ignore[arg-type]
        spec.layer,
        max_length=spec.max_length,
        tokens_per_batch=spec.tokens_per_batch,
        device=device,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: processes are the parallelism, and the last bits do not depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
