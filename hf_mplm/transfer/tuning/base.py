"""The base of a study: loaded once, lent to each run, and given back bit for bit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import xxhash
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.evaluation.encoder import default_device
from hf_mplm.evaluation.loading import load_model, load_tokenizer, position_limit
from hf_mplm.modeling.masked_lm import masked_lm_loss
from hf_mplm.modeling.masked_only_lm import MaskedOnlyLM
from hf_mplm.modeling.stock import load_masked_lm
from hf_mplm.trainers.base.random_state import preserve_training_state


__all__ = ["Base", "BaseChangedError"]


class BaseChangedError(RuntimeError):
    """The base is not what it was when it was loaded, so that no further run may be made with it."""


class Base:
    """A masked LM that is tuned, and its encoder as task modules see it, which share their weights in memory.

    There is one copy of the weights besides, from which they are restored. The encoder is a stock one, with the
    checkpoint's pooler: masked-LM training never touches that, so that it survives every tuning.

    Args:
        model (`PreTrainedModel`): a masked LM in float32.
        encoder (`PreTrainedModel`): the stock encoder of the same checkpoint.
        tokenizer (`PreTrainedTokenizerBase`): its tokenizer.
        name (`str`): what it is called.

    Raises:
        ValueError: if the encoder's weights are not those of the masked LM.
    """

    def __init__(
        self, model: PreTrainedModel, encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str
    ) -> None:
        self.model, self.encoder, self.tokenizer, self.name = model, encoder, tokenizer, name
        self.model.requires_grad_(False)
        for weight in _weights_of(model).values():
            # Where a file is mapped into memory a weight begins anywhere, and how sums are rounded depends on where.
            weight.data = weight.data.clone()
        _share_weights(model, encoder)
        self._weights = _weights_of(model)
        self._kept = {key: weight.detach().clone() for key, weight in self._weights.items()}
        self.digest = self._digest()
        """Digest of the base's weights, the same wherever the checkpoint lies and in whatever dtype it is stored."""

    @classmethod
    def load(cls, model: str | Path, *, revision: str | None = None, device: str | None = None) -> Base:
        """Load a base.

        Args:
            model (`str` or `Path`): folder or Hub id of a masked-LM checkpoint. Of one with language and script
                embeddings the plain masked LM is taken, with its stock encoder.
            revision (`str`, *optional*): of a model on the Hub.
            device (`str`, *optional*): an accelerator by default, if there is one.

        Returns:
            `Base`: the base.

        Raises:
            ValueError: if the checkpoint has no LM head, or another architecture than this package knows.
            DamagedError: if it cannot be read.
        """
        place = torch.device(device) if device is not None else default_device()
        masked_lm = load_masked_lm(model, revision=revision)
        if not isinstance(masked_lm, MaskedOnlyLM):
            raise ValueError(
                f"{model} is a {masked_lm.config.model_type}; needed is a masked LM of XLM-R, BERT or ModernBERT"
            )
        masked_lm = masked_lm.to(place)  # type: ignore[arg-type]
        tokenizer = load_tokenizer(model, revision=revision)
        export: Any = getattr(masked_lm, "export_encoder", None)
        if export is None:
            encoder = load_model(model, revision=revision)
        else:
            with tempfile.TemporaryDirectory(prefix="hf-mplm-") as folder:
                export(folder)
                encoder = load_model(folder)
            encoder.config._name_or_path = str(model)
        return cls(masked_lm, encoder.to(place), tokenizer, str(model))  # type: ignore[arg-type]

    @property
    def device(self) -> torch.device:
        """Where it is."""
        device: torch.device = self.model.device
        return device

    def window(self, max_length: int) -> int:
        """The longest input in tokens, at most `max_length`."""
        return min(max_length, position_limit(self.encoder, self.tokenizer))

    def masked_lm_loss(self, encoder: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """The masked-LM loss of this base's head above its encoder with modules in it.

        Args:
            encoder (`nn.Module`): the encoder, adapted.
            batch (`dict[str, Tensor]`): `input_ids`, `attention_mask` and `labels`. Shapes: (batch, sequence).

        Returns:
            `Tensor`: a scalar, the mean over the masked tokens.
        """
        model: Any = self.model
        states = encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        return masked_lm_loss(states, batch["labels"], model._transform, model.get_output_embeddings()).loss

    def is_finite(self) -> bool:
        """Whether no weight is NaN or infinite."""
        return all(bool(torch.isfinite(weight).all()) for weight in self._weights.values())

    def restore(self) -> None:
        """Give all weights the values that they were loaded with.

        Raises:
            BaseChangedError: if they are not the same then, bit for bit.
        """
        with torch.no_grad():
            for key, weight in self._weights.items():
                weight.copy_(self._kept[key])
                weight.grad = None
        if (found := self._digest()) != self.digest:
            raise BaseChangedError(
                f"the base {self.name} has the digest {found[:12]} after a run and had {self.digest[:12]} before; "
                "nothing more can be computed with it: start this process again"
            )

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Lend the base to a run: weights, modes and random state are as they were afterwards, also after an error.

        Yields:
            Nothing.
        """
        with preserve_training_state(self.model, self.encoder):
            try:
                yield
            finally:
                self.model.requires_grad_(False)
                self.restore()

    def _digest(self) -> str:
        digest = xxhash.xxh3_128()
        for key, weight in sorted(self._weights.items()):
            digest.update(f"{key}\0{tuple(weight.shape)}\0".encode())
            content: Any = weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
            digest.update(content)
        return digest.hexdigest()


def _weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, each once."""
    return {**dict(model.named_parameters()), **{f"{key} (buffer)": each for key, each in model.named_buffers()}}


def _share_weights(model: PreTrainedModel, encoder: PreTrainedModel) -> None:
    """Let an encoder's weights be the very memory of a masked LM's."""
    own = model.base_model.state_dict()
    for key, weight in encoder.state_dict(keep_vars=True).items():
        if key not in own:
            if key.startswith("pooler."):
                continue
            raise ValueError(f"the encoder has a weight {key} that its masked LM has not")
        if own[key].shape != weight.shape:
            raise ValueError(f"the encoder's {key} has the shape {tuple(weight.shape)}, not {tuple(own[key].shape)}")
        weight.data = own[key].data
