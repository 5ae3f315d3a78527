"""Bottleneck adapters and AdapterFusion, by the library `adapters`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from hf_mplm._lists import as_list
from hf_mplm.evaluation.batching import evaluation_mode
from hf_mplm.jobs.files import DamagedError

from .adapted_encoder import AdaptedEncoder


__all__ = ["BottleneckEncoder"]

HEAD_FILE = "head.safetensors"
_ADVICE = "Fetch or train the module again."


class BottleneckEncoder(AdaptedEncoder):
    """Sequential bottleneck adapters behind each layer (Pfeiffer et al. 2021), and AdapterFusion of several.

    Args:
        encoder (`PreTrainedModel`): a stock encoder that `adapters` knows, changed in place.

    Raises:
        ImportError: if `adapters` is not installed.
        ValueError: if it does not know the architecture, or changes what the encoder computes.
    """

    backend = "adapters"
    size_name = "reduction_factor"

    def __init__(self, encoder: PreTrainedModel) -> None:
        try:
            import adapters
        except ImportError as error:
            raise ImportError(
                "bottleneck adapters need the library `adapters`, which holds transformers to 4.57: "
                'pip install "hf-mplm[adapters]"; the current stack has --backend peft'
            ) from error
        # It warns at every pass without an active adapter, which is what a baseline is.
        logging.getLogger("adapters.model_mixin").setLevel(logging.ERROR)
        logging.getLogger("adapters.models").setLevel(logging.ERROR)
        before = _states(encoder)
        try:
            adapters.init(encoder)
        except (AttributeError, ValueError) as error:
            raise ValueError(
                f"the library adapters has no place for modules in {type(encoder).__name__} ({error}); take "
                "--backend peft"
            ) from error
        if not torch.allclose(_states(encoder), before, atol=1e-5):
            # So does adapters 1.3 with ModernBERT.
            raise ValueError(
                f"the library adapters changes what {type(encoder).__name__} computes without any module in it; take "
                "--backend peft, with the encoder loaded anew"
            )
        super().__init__(encoder)
        self._model: Any = encoder
        self._combinations: dict[str, Any] = {}

    def weights(self, name: str) -> dict[str, Tensor]:
        block = self._combinations.get(name)
        mark = f".adapters.{name}." if block is None else f".adapter_fusion_layer.{block.name}."
        return {key: weight for key, weight in self.encoder.named_parameters() if mark in key}

    def save(
        self,
        name: str,
        folder: str | Path,
        *,
        head: Mapping[str, Tensor] | None = None,
        prefix: str = "",
        base_model: str = "",
    ) -> None:
        self._model.save_adapter(str(folder), name, use_safetensors=True)
        if head:
            save_file({key: weight.detach().contiguous() for key, weight in head.items()}, Path(folder) / HEAD_FILE)

    def combine(self, names: Sequence[str], fusion: str) -> str:
        from adapters.composition import Average, Fuse

        names = as_list(names)
        combination = f"{fusion}:{'+'.join(names)}"
        if fusion == "average":
            # adapters 1.3 takes the mean of the outputs after it has multiplied them by the weights: with its default,
            # 1/n each, two adapters would come to half of their mean.
            ones = [1.0] * len(names)
            self._combinations[combination] = Average(*names, weights=ones, normalize_weights=False)
        else:
            block = Fuse(*names)
            self._model.add_adapter_fusion(block)
            self._combinations[combination] = block
            self.encoder.requires_grad_(False)
        return combination

    def dissolve(self, combination: str) -> None:
        self.activate(*(part for part in self._active if part != combination))
        block = self._combinations.pop(combination)
        if type(block).__name__ == "Fuse":
            self._model.delete_adapter_fusion(block)

    def _add(self, name: str, size: int) -> None:
        from adapters import SeqBnConfig

        self._model.add_adapter(name, config=SeqBnConfig(reduction_factor=size))

    def _load(self, folder: Path, name: str) -> dict[str, Tensor]:
        # Without the file of safetensors the library would fall back on a pickle.
        if not (folder / "adapter.safetensors").is_file():
            raise DamagedError(folder, "it holds no adapter.safetensors", _ADVICE)
        try:
            self._model.load_adapter(str(folder), load_as=name, use_safetensors=True, set_active=False)
            wrong = [key for key, weight in self.weights(name).items() if weight.is_meta]
        except Exception as error:  # whatever the library makes of files that it did not write
            if name in self._model.adapters_config.adapters:
                self._model.delete_adapter(name)
            reason = str(error).strip().split("\n")[0]
            raise DamagedError(folder, f"it does not fit the encoder ({reason[:200]})", _ADVICE) from error
        if wrong or not self.weights(name):
            raise DamagedError(folder, "it holds no weights for this encoder", _ADVICE)
        path = folder / HEAD_FILE
        return load_file(path) if path.is_file() else {}

    def _remove(self, name: str) -> None:
        self._model.delete_adapter(name)

    def _activate(self, parts: tuple[str, ...]) -> None:
        from adapters.composition import Stack

        blocks = [self._combinations.get(part, part) for part in parts]
        self._model.set_active_adapters(None if not blocks else blocks[0] if len(blocks) == 1 else Stack(*blocks))


def _states(encoder: PreTrainedModel) -> Tensor:
    """What an encoder makes of a few tokens."""
    ids = torch.arange(min(8, encoder.config.vocab_size), device=encoder.device)[None]
    with torch.inference_mode(), evaluation_mode(encoder):
        states: Tensor = encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return states
