"""The pooling and the prompts of a sentence-transformers folder, read from its own files."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from huggingface_hub import _CACHED_NO_EXIST, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
)
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hf_mplm.jobs.files import DamagedError, read_json


__all__ = ["SentenceModules", "SentencePooling", "find_file", "read_sentence_modules"]

logger = logging.getLogger(__name__)

MODULES_FILE, PROMPTS_FILE, LENGTH_FILE = (
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
)
# In the order in which their vectors are put side by side.
MODES = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
SHORT_MODES = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "weightedmean": "weightedmean_tokens"}
ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    kind.__name__: kind for kind in (nn.Identity, nn.Tanh, nn.ReLU, nn.GELU, nn.Sigmoid, nn.SiLU)
}
NORMALIZE = "normalize"


@dataclass(frozen=True)
class SentenceModules:
    """What stands behind the encoder of a sentence-transformers folder.

    Args:
        encoder (`str`): The folder of the encoder within it, `""` for the folder itself.
        pooling (`Sequence[str]`): Of `MODES`; several are put side by side.
        include_prompt (`bool`): Whether the tokens of the prompt are pooled as well.
        steps (`Sequence[str]`): What follows: `"normalize"`, or the folder of a linear layer.
        max_length (`int`, *optional*): Longest input in tokens.
        lower_case (`bool`): Whether texts are lower-cased.
        prompts (`Mapping[str, str]`): Name to prompt.
        default_prompt (`str`): The prompt that is used unless another is asked for.
        layer (`int`, *optional*): The layer that is pooled, an index into `hidden_states`; the last by default.
    """

    encoder: str = ""
    pooling: Sequence[str] = ("mean_tokens",)
    include_prompt: bool = True
    steps: Sequence[str] = ()
    max_length: int | None = None
    lower_case: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str = ""
    layer: int | None = None

    def describe(self) -> str:
        """Say in a few words what is done with the last hidden states."""
        steps = ["normalize" if step == NORMALIZE else f"linear {step}" for step in self.steps]
        prompt = [] if self.include_prompt else ["without the prompt"]
        layer = [] if self.layer is None else [f"layer {self.layer}"]
        return ", ".join(["+".join(self.pooling), *layer, *prompt, *steps])

    def layer_of(self, depth: int) -> int:
        """The layer that is pooled in an encoder of so many layers; one counted from the end has a negative number.

        Args:
            depth (`int`): `config.num_hidden_layers`.
        """
        if self.layer is None:
            return depth
        return self.layer if self.layer >= 0 else depth + 1 + self.layer


def read_sentence_modules(model: str | Path, revision: str | None = None) -> SentenceModules | None:
    """Read which modules a sentence-transformers folder has.

    Args:
        model (`str` or `Path`): Hub id or folder.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.

    Returns:
        `SentenceModules`: The modules, `None` if it is no such folder.

    Raises:
        ValueError: If it has modules that are not known here.
        DamagedError: If one of its files is not what its name promises.
    """
    listed = _read(model, MODULES_FILE, revision, kind=list)
    if listed is None:
        return None
    kinds: list[tuple[str, str]] = []
    for entry in listed:
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise DamagedError(Path(model) / MODULES_FILE, "it lists a module without a type")
        kinds.append((_kind(model, entry["type"]), _inner(model, str(entry.get("path", "")))))
    order = [kind for kind, _ in kinds]
    if order[:2] != ["Transformer", "Pooling"] or not set(order[2:]) <= {"Dense", "Normalize"}:
        raise ValueError(
            f"{model} puts together {', '.join(order) or 'nothing'}; known here are Transformer, Pooling and behind "
            "them Dense and Normalize. Evaluate the mean of a layer of its encoder: --pooling mean"
        )
    encoder, pooling = kinds[0][1], _read(model, _join(kinds[1][1], "config.json"), revision) or {}
    lengths = _read(model, _join(encoder, LENGTH_FILE), revision) or {}
    said = _read(model, PROMPTS_FILE, revision) or {}
    prompts = {str(name): str(prompt) for name, prompt in (said.get("prompts") or {}).items() if prompt is not None}
    limit = lengths.get("max_seq_length")
    return SentenceModules(
        encoder=encoder,
        pooling=_modes(model, pooling),
        include_prompt=bool(pooling.get("include_prompt", True)),
        steps=tuple(NORMALIZE if kind == "Normalize" else path for kind, path in kinds[2:]),
        max_length=int(limit) if limit else None,
        lower_case=bool(lengths.get("do_lower_case", False)),
        prompts=prompts,
        default_prompt=prompts.get(str(said.get("default_prompt_name")), ""),
        layer=_layer(model, lengths),
    )


class SentencePooling(nn.Module):
    """From the last hidden states to one vector a sentence, as sentence-transformers computes it.

    Args:
        modules (`SentenceModules`): What the folder says.
        layers (`Sequence[nn.Module]`, *optional*): Its linear layers with their activations, in order.
    """

    def __init__(self, modules: SentenceModules, layers: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.modules_of_folder, self.layers = modules, nn.ModuleList(layers)

    @classmethod
    def from_pretrained(
        cls, model: str | Path, modules: SentenceModules, revision: str | None = None
    ) -> SentencePooling:
        """Load the linear layers.

        Args:
            model (`str` or `Path`): Hub id or folder.
            modules (`SentenceModules`): What [`read_sentence_modules`] found.
            revision (`str`, *optional*): Commit, tag or branch on the Hub.

        Returns:
            `SentencePooling`: In float32.

        Raises:
            ValueError: If a layer has an activation that is not known here.
            DamagedError: If its weights cannot be read.
        """
        return cls(modules, [_linear(model, step, revision) for step in modules.steps if step != NORMALIZE])

    def forward(self, hidden: Tensor, mask: Tensor, prompt_length: int = 0) -> Tensor:
        """Pool.

        Args:
            hidden (`Tensor`): Last hidden states. Shape: (batch, length, size).
            mask (`Tensor`): 1 for tokens, 0 for padding. Shape: (batch, length).
            prompt_length (`int`, *optional*, defaults to 0): Tokens of the prompt at the beginning.

        Returns:
            `Tensor`: Shape: (batch, dimension).
        """
        if prompt_length and not self.modules_of_folder.include_prompt:
            mask = mask.clone()
            mask[:, :prompt_length] = 0
        vectors = torch.cat([_pool(mode, hidden, mask) for mode in self.modules_of_folder.pooling], dim=-1)
        layers = iter(self.layers)
        for step in self.modules_of_folder.steps:
            vectors = nn.functional.normalize(vectors, dim=-1) if step == NORMALIZE else next(layers)(vectors)
        return vectors


def find_file(model: str | Path, name: str, revision: str | None = None) -> Path | None:
    """Find a file of a model, in its folder or on the Hub.

    Args:
        model (`str` or `Path`): Hub id or folder.
        name (`str`): The file's path within it.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.

    Returns:
        `Path`: The file, `None` if there is none. Without the network a file that is not in the cache is taken for
            none, which is told unless it is known.

    Raises:
        OSError: If the Hub does not hand out the repository, or stumbles: another model than the one that is asked for
            would be measured if such a file were taken for none.
    """
    if Path(model).is_dir():
        path = Path(model) / name
        return path if path.is_file() else None
    try:
        return Path(hf_hub_download(str(model), name, revision=revision))
    except LocalEntryNotFoundError as error:
        # What was answered is no missing network. The two major versions of the client raise errors of two libraries.
        if (cause := error.__cause__) is not None and getattr(cause, "response", None) is not None:
            raise OSError(f"{name} of {model} cannot be read from the Hub ({_said(cause)})") from error
        if try_to_load_from_cache(str(model), name, revision=revision) is not _CACHED_NO_EXIST:
            logger.warning(
                "%s of %s is not in the cache, and the Hub cannot be reached: it is taken for a model without one",
                name,
                model,
            )
        return None
    except (EntryNotFoundError, HFValidationError):
        return None
    except HfHubHTTPError as error:
        raise OSError(f"{name} of {model} cannot be read from the Hub ({_said(error)})") from error


def _said(error: BaseException) -> str:
    return (str(error) or type(error).__name__).split("\n", maxsplit=1)[0]


def _pool(mode: str, hidden: Tensor, mask: Tensor) -> Tensor:
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    if mode == "cls_token":
        return hidden[:, 0]
    if mode == "max_tokens":
        return hidden.masked_fill(weights == 0, -1e9).amax(dim=1)
    if mode == "lasttoken":
        positions = torch.arange(mask.shape[1], device=mask.device)
        last = (positions * (mask != 0)).amax(dim=1)
        return hidden[torch.arange(len(hidden), device=hidden.device), last]
    if mode == "weightedmean_tokens":
        weights = weights * torch.arange(1, mask.shape[1] + 1, device=hidden.device, dtype=hidden.dtype)[:, None]
    total = weights.sum(dim=1).clamp(min=1e-9)
    summed = (hidden * weights).sum(dim=1)
    return summed / (total.sqrt() if mode == "mean_sqrt_len_tokens" else total)


def _modes(model: str | Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    named = config.get("pooling_mode")
    if named is not None:
        asked = {SHORT_MODES.get(str(name), str(name)) for name in ([named] if isinstance(named, str) else named)}
    else:
        # The mean unless the file says otherwise.
        flags = {"pooling_mode_mean_tokens": True, **config}
        asked = {
            key.removeprefix("pooling_mode_")
            for key, value in flags.items()
            if key.startswith("pooling_mode_") and value
        }
    unknown = sorted(asked - set(MODES))
    if unknown or not asked:
        raise ValueError(
            f"{model} pools by {', '.join(unknown) or 'nothing'}, which is not known here; known are "
            f"{', '.join(MODES)}. Evaluate the mean of a layer of its encoder: --pooling mean"
        )
    return tuple(mode for mode in MODES if mode in asked)


def _layer(model: str | Path, settings: Mapping[str, Any]) -> int | None:
    """The layer whose states are pooled, where it is not the last."""
    modalities = settings.get("modality_config")
    text = modalities.get("text") if isinstance(modalities, dict) else None
    output = text.get("method_output_name", "last_hidden_state") if isinstance(text, dict) else "last_hidden_state"
    if output in ("last_hidden_state", ["last_hidden_state"]):
        return None
    if isinstance(output, list) and len(output) == 2 and output[0] == "hidden_states" and type(output[1]) is int:
        return output[1]
    raise ValueError(
        f"{model} pools the output {output!r} of its encoder, which is not known here; known are last_hidden_state "
        'and ["hidden_states", LAYER]. Evaluate the mean of a layer of its encoder: --pooling mean'
    )


def _linear(model: str | Path, folder: str, revision: str | None) -> nn.Module:
    config = _read(model, _join(folder, "config.json"), revision) or {}
    name = str(config.get("activation_function", "torch.nn.modules.activation.Tanh")).rpartition(".")[2]
    inner = {config.get(f"module_{side}_name") or "sentence_embedding" for side in ("input", "output")}
    if name not in ACTIVATIONS or inner != {"sentence_embedding"}:
        raise ValueError(
            f"the linear layer {model}/{folder} has the activation {name} from and to {', '.join(sorted(inner))}; "
            f"known here are {', '.join(ACTIVATIONS)} over the vector of a sentence. "
            "Evaluate without it: --pooling mean"
        )
    path = find_file(model, _join(folder, "model.safetensors"), revision)
    pickled = None if path else find_file(model, _join(folder, "pytorch_model.bin"), revision)
    where = path or pickled
    if where is None:
        raise DamagedError(Path(model) / folder, "it has neither model.safetensors nor pytorch_model.bin")
    try:
        state = load_file(where) if path else torch.load(where, map_location="cpu", weights_only=True)
        layer = nn.Linear(int(config["in_features"]), int(config["out_features"]), bias=bool(config.get("bias", True)))
        layer.load_state_dict({key.removeprefix("linear."): value.float() for key, value in state.items()})
    except (SafetensorError, KeyError, RuntimeError, EOFError, AttributeError, TypeError, ValueError) as error:
        raise DamagedError(where, f"it holds no linear layer ({type(error).__name__})") from error
    except Exception as error:
        # What unpickling refused weights raises is of the pickle module, which is never imported here.
        raise DamagedError(where, f"it cannot be read ({type(error).__name__})") from error
    return nn.Sequential(layer, ACTIVATIONS[name]()).eval().requires_grad_(False)


def _kind(model: str | Path, name: str) -> str:
    if not name.startswith("sentence_transformers."):
        raise ValueError(
            f"{model} has a module {name}, which is code of its own and does not run here. Evaluate the mean of a "
            "layer of its encoder: --pooling mean"
        )
    return name.rpartition(".")[2]


def _inner(model: str | Path, path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"{Path(model) / MODULES_FILE} names the folder {path!r}, which is outside of the model")
    return path.strip("/")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _read(model: str | Path, name: str, revision: str | None, kind: type = dict) -> Any:
    path = find_file(model, name, revision)
    if path is None:
        return None
    value = read_json(path, "Fetch the model again.")
    if not isinstance(value, kind):
        raise DamagedError(path, f"it holds no JSON {'list' if kind is list else 'object'}", "Fetch the model again.")
    return value
