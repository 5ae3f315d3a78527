"""Reading a checkpoint that anybody may have written: one boundary, at which whatever is wrong becomes one line."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.utils.hub import cached_file

from hf_mplm.jobs.files import DamagedError, read_json

from .config_check import check_settings
from .new_head import give_identity_head, refuse_partial_head
from .weight_files import inspect_weights


__all__ = ["hub_commit", "load_config", "load_with_head", "reading_checkpoint"]

logger = logging.getLogger(__name__)

_ADVICE = "Fetch the checkpoint again, or take an earlier one."
# Of `from_pretrained`, what finds a configuration.
_HUB = ("cache_dir", "force_download", "local_files_only", "revision", "subfolder", "token")
# Where the cache of the Hub keeps the files of a commit.
_SNAPSHOT = re.compile(r"/snapshots/([0-9a-f]{40})/")
# What transformers itself calls a damaged file, besides the errors that it lets through.
_SAYS_DAMAGED = ("Unable to load weights from", "It looks like the config file at")


@contextmanager
def reading_checkpoint(name_or_path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever reading a checkpoint raises into one line that names it and says what to do.

    Args:
        name_or_path (`str` or `os.PathLike`): Hub id or folder, of a model or a tokenizer.

    Raises:
        DamagedError: for every error of a parser, and for weights that do not fit their configuration.
        ValueError: where code would have to run, and for what transformers refuses with reasons.
        OSError: where there is nothing to read.
    """
    name = str(name_or_path)
    try:
        yield
    except (DamagedError, ImportError):
        raise
    except ValueError as error:
        if "trust_remote_code" in str(error):
            raise ValueError(_remote_code(name)) from None
        if isinstance(error, UnicodeDecodeError) or type(error).__name__ == "JSONDecodeError":
            raise DamagedError(name, f"a file of it cannot be read ({_shortly(error)})", _ADVICE) from error
        raise ValueError(f"{name} cannot be loaded: {_shortly(error)}") from error
    except OSError as error:
        if str(error).startswith(_SAYS_DAMAGED):
            raise DamagedError(name, _shortly(error), _ADVICE) from error
        raise
    except MemoryError as error:
        raise DamagedError(name, "it asks for more memory than there is", _ADVICE) from error
    except Exception as error:
        what = f"it cannot be loaded ({type(error).__name__}: {_shortly(error)})"
        raise DamagedError(name, what, _ADVICE) from error


def load_config(
    name_or_path: str | os.PathLike[str], *, trust_remote_code: bool = False, **kwargs: Any
) -> PretrainedConfig:
    """Load a checkpoint's configuration, after a look at everything that its files say of themselves.

    Args:
        name_or_path (`str` or `os.PathLike`): Hub id or folder.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with it may run.
        **kwargs: of `from_pretrained`, of which those are used that find the files: `revision`, `token`, ...

    Returns:
        `PretrainedConfig`: the configuration.

    Raises:
        DamagedError: if the configuration or a local weight file is damaged, or they do not belong together.
        ValueError: if it asks to run code that is not trusted, or its architecture is not known.
        OSError: if there is none.
    """
    hub = {name: kwargs[name] for name in _HUB if name in kwargs}
    folder = Path(name_or_path) / (hub.get("subfolder") or "")
    path, weights = folder / "config.json", None
    if Path(name_or_path).exists():
        if not path.is_file():
            raise ValueError(_no_checkpoint(str(folder)))
        _settings_of(read_json(path, _ADVICE), path)
        weights = inspect_weights(folder)
    with reading_checkpoint(name_or_path):
        settings, _ = PretrainedConfig.get_config_dict(str(name_or_path), **hub)
    # Of a repository without a config.json transformers 5 makes no settings, and no error.
    if not settings and not path.is_file():
        raise ValueError(_no_checkpoint(str(name_or_path)))
    where = path if path.is_file() else f"config.json of {name_or_path}"
    settings = _settings_of(settings, where)
    if "model_type" in settings or "auto_map" not in settings:
        check_settings(settings, lambda what: DamagedError(where, what, _ADVICE), weights)
    with reading_checkpoint(name_or_path):
        return AutoConfig.from_pretrained(name_or_path, trust_remote_code=trust_remote_code, **hub)


def hub_commit(name: str, *, revision: str | None = None, subfolder: str = "") -> str:
    """Say which commit of a repository is read.

    Args:
        name (`str`): Hub id of a checkpoint.
        revision (`str`, *optional*): commit, tag or branch, by default `main`.
        subfolder (`str`, *optional*, defaults to `""`): the folder of its configuration.

    Returns:
        `str`: 40 hexadecimal digits.

    Raises:
        OSError: if there is no such repository or revision, or it is not in the cache and the Hub cannot be reached.
    """
    # Configurations do not tell it any more: transformers 5 takes `_commit_hash` out of them.
    path = cached_file(name, "config.json", revision=revision, subfolder=subfolder)
    match = _SNAPSHOT.search(Path(str(path)).as_posix())
    if match is None:
        raise OSError(f"{path} does not stand in a snapshot of {name}, whose commit its folder would name")
    return match[1]


def load_with_head(
    cls: Any,
    name_or_path: str | os.PathLike[str],
    *,
    new_head: bool = False,
    trust_remote_code: bool = False,
    **kwargs: Any,
) -> PreTrainedModel:
    """`from_pretrained` that refuses a checkpoint without its LM head, or makes one. Call [`load_config`] first.

    Args:
        cls: the class of the model, or an auto class.
        name_or_path (`str` or `os.PathLike`): Hub id or folder.
        new_head (`bool`, *optional*, defaults to `False`): the checkpoint is an encoder without its LM head, which is
            made, see [`~hf_mplm.modeling.new_head.give_identity_head`]; its configuration has to tie the embeddings.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with it may run.
        **kwargs: of `from_pretrained`.

    Returns:
        `PreTrainedModel`: the model.

    Raises:
        ValueError: if any weight would have to be drawn at random, or to be left out, or there is a head already.
        DamagedError: if the checkpoint cannot be read.
    """
    if not kwargs.pop("weights_only", True):
        raise ValueError("weights_only=False would run code from a file of weights: write it as safetensors instead")
    with reading_checkpoint(name_or_path):
        loaded: Any = cls.from_pretrained(
            name_or_path, output_loading_info=True, trust_remote_code=trust_remote_code, **kwargs
        )
    model, report = loaded
    missing = sorted(report["missing_keys"])
    if new_head:
        refuse_partial_head(model, missing, name_or_path)
        logger.info("The LM head of %s is %s", name_or_path, give_identity_head(model).describe())
    elif missing:
        raise ValueError(
            f"{name_or_path} lacks {', '.join(missing[:4])}{', ...' if len(missing) > 4 else ''}, which would be "
            "drawn at random: it is no masked-LM checkpoint. For an encoder saved without its LM head give the one "
            "that it came from; give --new_lm_head (new_head=True) where there is this flag; or have a head made and "
            f"trained first: hf-mplm pretrain --model {name_or_path} --new_lm_head --head_warmup_steps 200 "
            "--method mlm --store STORE --output OUTPUT"
        )
    # Layers that the configuration does not count would vanish silently.
    layers = re.compile(rf"^{re.escape(model.base_model_prefix)}\.(encoder\.)?layers?\.\d+\.")
    if lost := sorted(key for key in report["unexpected_keys"] if layers.match(key)):
        raise DamagedError(
            Path(name_or_path) / "config.json",
            f"it has no place for {len(lost)} weights of the checkpoint ({', '.join(lost[:3])}, ...)",
            _ADVICE,
        )
    return model


def _no_checkpoint(where: str) -> str:
    return (
        f"{where} holds no config.json, so that it is no checkpoint; needed is a folder that save_pretrained wrote, "
        "or the id of a model on the Hub"
    )


def _settings_of(value: Any, where: str | Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DamagedError(where, f"it holds a {type(value).__name__} where settings by name belong", _ADVICE)
    return value


def _remote_code(name_or_path: str | os.PathLike[str]) -> str:
    """What a folder wants to run, as far as its own files say it."""
    wanted: set[str] = set()
    for name in ("config.json", "tokenizer_config.json"):
        try:
            found = read_json(Path(name_or_path) / name)
        except OSError:
            continue
        table = found.get("auto_map") if isinstance(found, dict) else None
        for value in table.values() if isinstance(table, dict) else [table]:
            wanted.update(str(one) for one in (value if isinstance(value, list) else [value]) if one)
    what = f" ({', '.join(sorted(wanted))})"[:200] if wanted else ""
    return (
        f"{name_or_path} asks to run code that comes with it{what}, which could do anything that you can: it was not "
        "run. Read that code first; where you trust it, say --trust_remote_code (trust_remote_code=True)"
    )


def _shortly(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or ["no reason given"])[0][:300]
