"""Low-rank weights over a base (LoRA, Hu et al., 2022): trained by peft, saved as peft saves them, merged at load.

A folder of them holds `adapter_config.json`, `adapter_model.safetensors` and the base's `config.json`. Neither the
base's weights nor its tokenizer are repeated: where the base lies is told relative to the folder, or by its Hub id,
and a digest of its encoder in the file of weights tells whether it is the same.
"""

from __future__ import annotations

import copy
import os
import re
from pathlib import Path
from typing import Any

import torch
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from hf_mplm.jobs.files import DamagedError, read_json

from .pooling import layer_stack, without_peft


__all__ = [
    "DELTA_CONFIG",
    "MAX_SHARE",
    "add_delta",
    "delta_base",
    "encoder_digest",
    "is_delta",
    "merge_delta",
    "restore_delta",
    "save_delta",
]

DELTA_CONFIG = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"

MAX_SHARE = 0.05
"""Of the base's parameters, that its low-rank weights may have."""

_KEY = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
# What peft adds to plain LoRA changes how weights are merged.
_OTHER_KINDS = ("use_dora", "use_rslora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern")
_ADVICE = "Fetch or make it again."


def add_delta(model: PreTrainedModel, rank: int = 8) -> Any:
    """Add low-rank weights to every linear layer of attention and feed-forward, and freeze everything else.

    They begin as nothing: the second matrix of each is zero. The first is drawn from torch's random state.

    Args:
        model (`PreTrainedModel`): an encoder that keeps its layers as XLM-R, BERT or ModernBERT do, with its head.
        rank (`int`, *optional*, defaults to 8): their rank. What is added is `2 * B @ A`.

    Returns:
        `peft.PeftModel`: around the same model, which was changed in place.

    Raises:
        ValueError: if the rank is below 1, or gives more than 5 % of the model's parameters.
    """
    from peft import LoraConfig, get_peft_model

    owner, name = layer_stack(model.base_model)
    layers: Any = getattr(owner, name)
    linear = {
        path: module for layer in layers for path, module in layer.named_modules() if isinstance(module, nn.Linear)
    }
    whole = sum(weight.numel() for weight in model.parameters())
    per_rank = sum(
        module.in_features + module.out_features
        for layer in layers
        for module in layer.modules()
        if isinstance(module, nn.Linear)
    )
    largest = int(MAX_SHARE * whole / per_rank)
    if not 1 <= rank <= largest:
        fits = f"a rank of 1 to {largest}" if largest else "a larger base: not even rank 1 is"
        raise ValueError(
            f"low-rank weights of rank {rank} would have {rank * per_rank:,} parameters, and the base has {whole:,}; "
            f"needed is {fits} at most {MAX_SHARE:.0%} of it"
        )
    stack = f"{'encoder.' if name == 'layer' else ''}{name}"
    names = "|".join(sorted(map(re.escape, linear)))
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        bias="none",
        target_modules=rf"(?:.*\.)?{re.escape(stack)}\.\d+\.(?:{names})",
    )
    return get_peft_model(model, config)


def save_delta(model: Any, folder: str | Path, base: str | Path) -> None:
    """Write low-rank weights and what is needed to merge them.

    Args:
        model (`peft.PeftModel`): of [`add_delta`].
        folder (`str` or `Path`): the folder, which is made where it is missing.
        base (`str` or `Path`): the Hub id of what the model was made of, or its folder relative to this one.
    """
    from peft import get_peft_model_state_dict

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: weight.detach().cpu().contiguous() for name, weight in get_peft_model_state_dict(model).items()}
    plain = without_peft(model)
    # One entry alone: safetensors writes several in any order, and the same weights must be the same bytes.
    save_file(state, folder / _WEIGHTS, metadata={"base": encoder_digest(plain)})
    config = copy.copy(model.peft_config["default"])
    config.base_model_name_or_path, config.inference_mode = str(base), True
    config.save_pretrained(str(folder))
    plain.config.save_pretrained(folder)


def restore_delta(model: Any, folder: str | Path) -> None:
    """Read low-rank weights back into a model that training goes on with.

    Args:
        model (`peft.PeftModel`): of [`add_delta`], with the same rank.
        folder (`str` or `Path`): what [`save_delta`] wrote.

    Raises:
        ValueError: if they are of another model.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    tensors, _ = _read(Path(folder))
    own = get_peft_model_state_dict(model)
    if {name: weight.shape for name, weight in own.items()} != {name: value.shape for name, value in tensors.items()}:
        raise ValueError(f"{folder} holds low-rank weights of another model or rank")
    set_peft_model_state_dict(model, tensors)


def is_delta(folder: str | Path) -> bool:
    """Whether a folder holds low-rank weights over a base, and no weights of its own."""
    place = Path(folder)
    return (place / DELTA_CONFIG).is_file() and not any(place.glob("model*.safetensors"))


def delta_base(folder: str | Path) -> str:
    """Where the base of a folder's low-rank weights is: a folder, or a Hub id.

    Raises:
        ValueError: if it is told as a folder that is not there.
        DamagedError: if `adapter_config.json` cannot be read.
    """
    place = Path(folder)
    name = _settings(place).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise DamagedError(place / DELTA_CONFIG, "it does not say over which base", _ADVICE)
    beside = Path(os.path.normpath(place / name))
    if beside.is_dir():
        return str(beside)
    if name.startswith(".") or os.path.isabs(name):
        raise ValueError(
            f"{place} holds low-rank weights over {name}, which is not there: put their base into {beside}, or train "
            "them again"
        )
    return name


@torch.no_grad()
def merge_delta(model: PreTrainedModel, folder: str | Path) -> PreTrainedModel:
    """Add a folder's low-rank weights to the encoder that they were trained over, in place.

    Args:
        model (`PreTrainedModel`): their base, in float32, with any head or none.
        folder (`str` or `Path`): what [`save_delta`] wrote.

    Returns:
        `PreTrainedModel`: the same object, which computes what base and low-rank weights computed together.

    Raises:
        ValueError: if they were trained over another encoder, or are of a kind that is not merged here.
        DamagedError: if a file cannot be read.
    """
    place = Path(folder)
    settings = _settings(place)
    if other := [name for name in _OTHER_KINDS if settings.get(name)]:
        raise ValueError(
            f"{place} holds weights with {', '.join(other)}, and plain low-rank ones are merged here; merge them by "
            "peft: PeftModel.from_pretrained(base, folder).merge_and_unload().save_pretrained(merged)"
        )
    tensors, digest = _read(place)
    # The digest says more than the name: the same weights may lie elsewhere, and others under the same name.
    if digest != encoder_digest(model):
        raise ValueError(
            f"{place} holds low-rank weights over another encoder than {model.config._name_or_path}; give the base "
            "that they were trained over"
        )
    try:
        scale = settings["lora_alpha"] / settings["r"]
        pairs: dict[str, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            name, side = _KEY.fullmatch(key).groups()  # type: ignore[union-attr]
            pairs.setdefault(name.removeprefix(f"{model.base_model_prefix}."), {})[side] = value
        for name, pair in pairs.items():
            weight = model.base_model.get_parameter(f"{name}.weight")
            weight.add_(scale * (pair["B"].to(weight) @ pair["A"].to(weight)))
    except (AttributeError, KeyError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise DamagedError(place / _WEIGHTS, f"its weights do not fit the encoder ({error})", _ADVICE) from error
    return model


def encoder_digest(model: Any) -> str:
    """A digest of an encoder's weights in single precision, whatever its head, its file and its low-rank weights."""
    digest = xxhash.xxh3_128()
    parameters = without_peft(model).base_model.named_parameters()
    plain = {name.replace(".base_layer.", "."): weight for name, weight in parameters if ".lora_" not in name}
    for name in sorted(name for name in plain if not name.startswith("pooler.")):
        digest.update(name.encode())
        digest.update(plain[name].detach().float().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _settings(folder: Path) -> dict[str, Any]:
    found = read_json(folder / DELTA_CONFIG, _ADVICE)
    if not isinstance(found, dict) or found.get("peft_type") != "LORA":
        raise DamagedError(folder / DELTA_CONFIG, "it describes no low-rank weights", _ADVICE)
    return found


def _read(folder: Path) -> tuple[dict[str, torch.Tensor], str | None]:
    try:
        with safe_open(folder / _WEIGHTS, "pt") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, (file.metadata() or {}).get("base")
    except (OSError, SafetensorError) as error:
        raise DamagedError(folder / _WEIGHTS, f"it cannot be read ({error})", _ADVICE) from error
