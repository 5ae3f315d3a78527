"""What a configuration must say before anything is built from it: numbers where numbers belong, and sane sizes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from .architectures import find_architecture
from .weight_files import Weights


__all__ = ["check_settings"]

# What every architecture has, if under other names (`attribute_map`).
_SIZES = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "vocab_size")
# What only the architectures that we know are known to need positive.
_OWN_SIZES = ("max_position_embeddings", "type_vocab_size")
# Deeper than any encoder. Each layer costs some 100 kB of Python objects however small its weights are.
_MOST_LAYERS = 10_000
_LAYER_BYTES = 100_000
_BYTES = 4  # of a parameter in the single precision that is trained in
# Weights that a checkpoint need not hold: tied and shared ones, and heads that are made anew.
_SLACK = 3


def check_settings(
    settings: Mapping[str, Any], complain: Callable[[str], Exception], weights: Weights | None = None
) -> None:
    """Refuse settings from which no model can be built, before any is built.

    Args:
        settings (`Mapping`): what `config.json` holds, or what it would hold.
        complain (`Callable`): makes the error of a clause that says what is wrong.
        weights ([`Weights`], *optional*): what the weight files hold.

    Raises:
        Exception: what `complain` makes.
    """
    model_type = settings.get("model_type")
    if not isinstance(model_type, str):
        raise complain(f"its model_type is {_shown(model_type)}; needed is an architecture's, such as 'xlm-roberta'")
    lists = {"auto_map": Mapping, "architectures": (list, tuple)}
    for name, kind in lists.items():
        if settings.get(name) is not None and not isinstance(settings[name], kind):  # type: ignore[arg-type]
            raise complain(f"its {name} is {_shown(settings[name])}")
    if model_type not in CONFIG_MAPPING:
        return  # which transformers says better, or whose code is asked to run
    config_class = CONFIG_MAPPING[model_type]
    defaults = config_class().to_dict()
    _check_kinds(settings, defaults, complain)
    aliases: Mapping[str, str] = getattr(config_class, "attribute_map", {})
    known = find_architecture(model_type) is not None
    sizes: dict[str, int] = {}
    for name in (*_SIZES, *(_OWN_SIZES if known else ())):
        written = next((key for key in (name, aliases.get(name, name)) if key in settings), name)
        value = settings.get(written, defaults.get(aliases.get(name, name)))
        if value is None or isinstance(value, (list, tuple)):  # one for each layer
            continue
        if isinstance(value, float) or value < 1:
            raise complain(f"its {written} is {_shown(value)}; needed is a whole number from 1 on")
        sizes[name] = value
    width, heads = sizes.get("hidden_size"), sizes.get("num_attention_heads")
    if known and width and heads and width % heads:
        raise complain(f"its hidden_size of {width} cannot be divided by its num_attention_heads of {heads}")
    padding, vocabulary = settings.get("pad_token_id", defaults.get("pad_token_id")), sizes.get("vocab_size")
    if known and isinstance(padding, int) and vocabulary and not 0 <= padding < vocabulary:
        raise complain(f"its pad_token_id of {padding} lies outside its vocab_size of {vocabulary}")
    _check_extent(settings, sizes, complain, weights)


def _check_kinds(
    settings: Mapping[str, Any], defaults: Mapping[str, Any], complain: Callable[[str], Exception]
) -> None:
    """Each value has to be of the kind of the architecture's default."""
    for name, value in settings.items():
        default = defaults.get(name)
        if value is None or default is None or name in ("dtype", "torch_dtype", "transformers_version"):
            continue
        if isinstance(default, bool):
            right, needed = isinstance(value, bool), "true or false"
        elif isinstance(default, (int, float)):
            ids = name.endswith("_token_id") and isinstance(value, list)  # several ends of a text
            right = ids or (isinstance(value, (int, float)) and not isinstance(value, bool))
            needed = "a number"
            if right and not ids and not abs(value) < 1e15:
                right, needed = False, "a number of sane size"
        elif isinstance(default, (Mapping, list, tuple)):
            right, needed = isinstance(value, (Mapping, list, tuple)), "a list or an object"
        else:
            right, needed = isinstance(value, type(default)), "a text"
        if not right:
            raise complain(f"its {name} is {_shown(value)}; needed is {needed}, such as {_shown(default)}")
        if "dropout" in name and isinstance(value, (int, float)) and not 0 <= value <= 1:
            raise complain(f"its {name} is {_shown(value)}; needed is a probability")
        if name in ("initializer_range", "layer_norm_eps", "norm_eps") and value < 0:
            raise complain(f"its {name} is {_shown(value)}; needed is a number from 0 on")


def _check_extent(
    settings: Mapping[str, Any],
    sizes: Mapping[str, int],
    complain: Callable[[str], Exception],
    weights: Weights | None,
) -> None:
    """The model has to fit its weight files, and this machine."""
    layers = sizes.get("num_hidden_layers", 0)
    if layers > _MOST_LAYERS:
        raise complain(f"its num_hidden_layers is {layers:,}, and no more than {_MOST_LAYERS:,} are built")
    for name in ("num_labels", "num_choices"):
        if isinstance(settings.get(name), int) and settings[name] > 1_000_000:
            raise complain(f"its {name} is {settings[name]:,}")
    width = sizes.get("hidden_size", 0)
    # An ALBERT's layers share their weights, and its table of tokens is narrower.
    shared = "num_hidden_groups" in settings or "embedding_size" in settings
    tables = 0 if shared else width * (sizes.get("vocab_size", 0) + sizes.get("max_position_embeddings", 0))
    each = 0 if shared else width * (4 * width + 2 * sizes.get("intermediate_size", 0))
    parameters = tables + layers * each
    packed = "quantization_config" in settings
    if weights is not None and not packed:
        if parameters > _SLACK * weights.parameters + 1_000_000:
            raise complain(
                f"it describes a model of {parameters:,} parameters or more, and the weight files hold "
                f"{weights.parameters:,}"
            )
        if not shared and layers > weights.tensors:
            raise complain(f"it has {layers:,} layers, and the weight files hold {weights.tensors:,} tensors")
    needed, room = parameters * _BYTES + layers * _LAYER_BYTES, _memory()
    if room is not None and needed > room:
        raise complain(
            f"it describes a model that takes {needed / 1e9:,.1f} GB or more ({parameters:,} parameters, {layers:,} "
            f"layers), and this machine has {room / 1e9:,.1f} GB of memory"
        )


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on every system
        return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
