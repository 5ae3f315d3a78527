"""Low-rank updates of query and value, by the library `peft`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from hf_mplm._lists import as_list
from hf_mplm.jobs.files import DamagedError, read_json

from .adapted_encoder import AdaptedEncoder


__all__ = ["LoraEncoder"]

WEIGHTS_FILE = "adapter_model.safetensors"
# What query and value are called in the architectures at hand; ModernBERT has both in one matrix.
_TARGETS = (("query", "value"), ("q_proj", "v_proj"), ("Wqkv",))
# peft writes the names of a model's weights behind this.
_OUTER = "base_model.model."
_ADVICE = "Fetch or train the module again."


class LoraEncoder(AdaptedEncoder):
    """Low-rank updates of the query and value projections (Hu et al. 2022, section 4.2), summed where several are
    active. The scale is alpha / rank with alpha = 2 rank.

    Args:
        encoder (`PreTrainedModel`): a stock encoder, changed in place.

    Raises:
        ImportError: if `peft` is not installed.
        ValueError: if the encoder has no query and value projections of a known name.
    """

    backend = "peft"
    size_name = "rank"

    def __init__(self, encoder: PreTrainedModel) -> None:
        try:
            import peft  # noqa: F401
        except ImportError as error:
            raise ImportError("low-rank modules need the library peft: pip install peft") from error
        super().__init__(encoder)
        self._tuner: Any = None
        linear = {name.split(".")[-1] for name, module in encoder.named_modules() if isinstance(module, nn.Linear)}
        found = next((names for names in _TARGETS if set(names) <= linear), None)
        if found is None:
            raise ValueError(f"{type(encoder).__name__} has no query and value projections of a name that is known")
        self.targets = list(found)

    def weights(self, name: str) -> dict[str, Tensor]:
        marks = (f".lora_A.{name}.", f".lora_B.{name}.")
        return {key: weight for key, weight in self.encoder.named_parameters() if any(mark in key for mark in marks)}

    def save(
        self,
        name: str,
        folder: str | Path,
        *,
        head: Mapping[str, Tensor] | None = None,
        prefix: str = "",
        base_model: str = "",
    ) -> None:
        import copy

        inner = f"{_OUTER}{prefix}." if prefix else _OUTER
        tensors = {f"{inner}{key.replace(f'.{name}.', '.')}": weight for key, weight in self.weights(name).items()}
        tensors.update({f"{_OUTER}{key}": weight for key, weight in (head or {}).items()})
        config = copy.deepcopy(self._tuner.peft_config[name])
        config.modules_to_save = sorted({key.split(".")[0] for key in head or {}}) or None
        config.base_model_name_or_path = base_model or None
        config.inference_mode = True
        config.save_pretrained(str(folder))
        contiguous = {key: weight.detach().cpu().contiguous() for key, weight in tensors.items()}
        save_file(contiguous, Path(folder) / WEIGHTS_FILE, metadata={"format": "pt"})

    def combine(self, names: Sequence[str], fusion: str) -> str:
        if fusion != "average":
            raise ValueError(
                f"a fusion that is {fusion} needs AdapterFusion, which peft has not; type --fusion average, or take "
                "modules and language adapters of --backend adapters"
            )
        names = as_list(names)
        combination = f"{fusion}:{'+'.join(names)}"
        # "cat" sums the updates as they are; "linear" would average their two factors, whose product is another.
        self._tuner.add_weighted_adapter(names, [1 / len(names)] * len(names), combination, combination_type="cat")
        self.encoder.requires_grad_(False)
        self.activate(*self._active)
        return combination

    def dissolve(self, combination: str) -> None:
        self.activate(*(part for part in self._active if part != combination))
        self._tuner.delete_adapter(combination)
        self.activate(*self._active)

    def _add(self, name: str, size: int) -> None:
        from peft import LoraConfig

        self._inject(LoraConfig(r=size, lora_alpha=2 * size, target_modules=list(self.targets)), name)

    def _load(self, folder: Path, name: str) -> dict[str, Tensor]:
        from peft import LoraConfig

        path = folder / WEIGHTS_FILE
        if not path.is_file():
            raise DamagedError(folder, f"it holds no {WEIGHTS_FILE}", _ADVICE)
        try:
            tensors = load_file(path)
        except Exception as error:  # whatever the library makes of files that it did not write
            reason = str(error).strip().split("\n")[0]
            raise DamagedError(folder, f"it cannot be read ({reason[:200]})", _ADVICE) from error
        self._inject(LoraConfig(**_settings(folder)), name)
        mine = self.weights(name)
        ends = {key.replace(f".{name}.", "."): key for key in mine}
        head, filled = {}, set()
        for key, tensor in tensors.items():
            short = key.removeprefix(_OUTER)
            end = next((end for end in ends if short == end or short.endswith(f".{end}")), None)
            if end is None:
                head[short] = tensor
                continue
            weight = mine[ends[end]]
            if weight.shape != tensor.shape:
                self._tuner.delete_adapter(name)
                what = f"{short} has the shape {tuple(tensor.shape)}, the encoder needs {tuple(weight.shape)}"
                raise DamagedError(path, what, _ADVICE)
            with torch.no_grad():
                weight.copy_(tensor)
            filled.add(end)
        if missing := sorted(set(ends) - filled):
            self._tuner.delete_adapter(name)
            raise DamagedError(path, f"it lacks {', '.join(missing[:3])}, ...", _ADVICE)
        return head

    def _inject(self, config: Any, name: str) -> None:
        from peft import LoraModel

        if self._tuner is None:
            self._tuner = LoraModel(self.encoder, config, name)
        else:
            self._tuner.peft_config[name] = config
            self._tuner.inject_adapter(self.encoder, name)

    def _remove(self, name: str) -> None:
        if self.names == [name]:
            self._tuner.unload()
            self._tuner = None
        else:
            self._tuner.delete_adapter(name)
            self.activate(*self._active)

    def _activate(self, parts: tuple[str, ...]) -> None:
        if self._tuner is None:
            return
        if not parts:
            self._tuner.disable_adapter_layers()
            return
        wanted = {key: weight.requires_grad for key, weight in self.encoder.named_parameters()}
        self._tuner.enable_adapter_layers()
        self._tuner.set_adapter(list(parts))
        # peft gives gradients to what is active; here `train` alone does.
        for key, weight in self.encoder.named_parameters():
            weight.requires_grad_(wanted[key])


def _settings(folder: Path) -> dict[str, Any]:
    """Of a saved configuration what shapes the weights, and nothing that could name code."""
    path = folder / "adapter_config.json"
    found = read_json(path, _ADVICE)
    if not isinstance(found, dict) or found.get("peft_type") != "LORA":
        raise DamagedError(path, "it is no configuration of LoRA", _ADVICE)
    rank, alpha, targets = found.get("r"), found.get("lora_alpha"), found.get("target_modules")
    named = isinstance(targets, list) and all(isinstance(name, str) for name in targets)
    if not (isinstance(rank, int) and rank > 0 and isinstance(alpha, int | float) and named):
        raise DamagedError(path, "it lacks r, lora_alpha or a list of target_modules", _ADVICE)
    return {"r": rank, "lora_alpha": alpha, "target_modules": targets}
