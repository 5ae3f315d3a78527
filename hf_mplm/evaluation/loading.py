from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from hf_mplm.jobs.digests import digest_files
from hf_mplm.modeling.delta import DELTA_CONFIG, delta_base, is_delta, merge_delta
from hf_mplm.modeling.reading import hub_commit, load_config, reading_checkpoint

from .sentence_modules import find_file


__all__ = ["load_model", "load_tokenizer", "model_files", "model_revision", "position_limit"]

logger = logging.getLogger(__name__)

# Of these the first that a folder has are its weights, as the loader has it.
WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")
# What else a number depends on: configuration, code, tokenizer, and the modules of sentence-transformers.
OTHER_FILES = (
    "config.json",
    "adapter_config.json",
    "*.index.json",
    "*.py",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    # The words of static embeddings.
    "words.parquet",
)


def load_model(
    model: str | Path,
    auto_class: Any = AutoModel,
    *,
    trust_remote_code: bool = False,
    revision: str | None = None,
    subfolder: str = "",
    **kwargs: Any,
) -> PreTrainedModel:
    """Load a checkpoint in float32 and refuse one whose encoder would be partly random.

    A folder of low-rank weights (`hf-mplm pretrain --delta`) is its base with these merged.

    Args:
        model (`str` or `Path`): Hub id or folder.
        auto_class (*optional*, defaults to `AutoModel`): The auto class to load with. Its own head may be new.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.
        subfolder (`str`, *optional*, defaults to `""`): The folder of the encoder within it.
        **kwargs: For `from_pretrained`, such as `num_labels`.

    Returns:
        `PreTrainedModel`: The model in evaluation mode.

    Raises:
        ValueError: If the checkpoint lacks weights of the encoder, or has an absurd size.
        DamagedError: If its files cannot be read.
    """
    load_config(model, trust_remote_code=trust_remote_code, revision=revision, subfolder=subfolder)
    folder = _delta_folder(model, subfolder, revision)
    if folder is not None:
        base = load_model(delta_base(folder), auto_class, trust_remote_code=trust_remote_code, **kwargs)
        return merge_delta(base, folder)
    # Which weights are missing is judged below; the loader's own table would list each new head as a problem.
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with reading_checkpoint(model):
            loaded, info = auto_class.from_pretrained(
                model,
                dtype=torch.float32,
                output_loading_info=True,
                trust_remote_code=trust_remote_code,
                revision=revision,
                subfolder=subfolder,
                **kwargs,
            )
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
    prefix = f"{loaded.base_model_prefix}."
    is_base = loaded.base_model is loaded
    missing = []
    for key in sorted(info["missing_keys"]):
        inner = key.removeprefix(prefix)
        if not (is_base or key.startswith(prefix)) or inner.startswith("pooler."):
            continue
        if inner == "embeddings.token_type_embeddings.weight":
            # Published LangSAMP checkpoints were saved without this table, with which they were never trained.
            logger.warning("%s has no token type embeddings; zeros are used, as in XLM-R", model)
            with torch.no_grad():
                loaded.get_parameter(key).zero_()
            continue
        missing.append(key)
    if missing:
        raise ValueError(
            f"{model} lacks {len(missing)} weights of its encoder ({', '.join(missing[:3])}, ...), which would stay "
            "random: this is not a whole checkpoint, or not one of this architecture"
        )
    model_in_eval: PreTrainedModel = loaded.eval()
    return model_in_eval


def _delta_folder(model: str | Path, subfolder: str, revision: str | None) -> Path | None:
    """The folder of low-rank weights, fetched where it is a repository; `None` of a whole checkpoint."""
    if (place := Path(model) / subfolder).is_dir() or Path(model).exists():
        return place if is_delta(place) else None
    names = [f"{subfolder}/{name}" if subfolder else name for name in (DELTA_CONFIG, "adapter_model.safetensors")]
    if find_file(model, names[0], revision) is None:
        return None
    weights = find_file(model, names[1], revision)
    return None if weights is None or not is_delta(weights.parent) else weights.parent


def load_tokenizer(
    model: str | Path, *, trust_remote_code: bool = False, revision: str | None = None, subfolder: str = ""
) -> PreTrainedTokenizerBase:
    """Load the tokenizer that stands beside a checkpoint, for low-rank weights beside their base.

    Args:
        model (`str` or `Path`): Hub id or folder.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.
        subfolder (`str`, *optional*, defaults to `""`): The folder of the encoder within it.

    Returns:
        `PreTrainedTokenizerBase`: The tokenizer.

    Raises:
        DamagedError: If its files cannot be read.
    """
    folder = _delta_folder(model, subfolder, revision)
    if folder is not None:
        return load_tokenizer(delta_base(folder), trust_remote_code=trust_remote_code)
    with reading_checkpoint(model):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            model, trust_remote_code=trust_remote_code, revision=revision, subfolder=subfolder
        )
    return tokenizer


def model_revision(
    model: str | Path, *, revision: str | None = None, trust_remote_code: bool = False, subfolder: str = ""
) -> str:
    """Say which version of a checkpoint is measured.

    Args:
        model (`str` or `Path`): Hub id or folder.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.
        subfolder (`str`, *optional*, defaults to `""`): The folder of the encoder in a repository.

    Returns:
        `str`: The commit of a Hub model; for a folder `xxh3:` and the first twelve digits of the hash of its weights,
        configuration, tokenizer and modules, which damage to any of them changes.
    """
    folder = Path(model)
    if not folder.is_dir():
        load_config(model, revision=revision, trust_remote_code=trust_remote_code, subfolder=subfolder)
        return hub_commit(str(model), revision=revision, subfolder=subfolder)
    files = model_files(folder)
    digests = zip(files, digest_files(files))
    lines = [f"{path.relative_to(folder).as_posix()}\0{digest}" for path, digest in digests]
    return f"xxh3:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:12]}"


def model_files(folder: Path) -> list[Path]:
    """List the files of a folder that its numbers depend on: no card, no results, no state of a training.

    Args:
        folder (`Path`): A checkpoint, or a sentence-transformers folder with a folder a module.

    Returns:
        `list[Path]`: The files, sorted.
    """
    found: set[Path] = set()
    # The folders of modules are named by a number: 1_Pooling, 2_Dense.
    for place in [folder, *folder.glob("[0-9]_*")]:
        weights = next((matches for pattern in WEIGHT_FILES if (matches := sorted(place.glob(pattern)))), [])
        found.update(weights, *(place.glob(pattern) for pattern in OTHER_FILES))
    return sorted(path for path in found if path.is_file())


def position_limit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Find how many tokens a sequence may have, special tokens included.

    Args:
        model (`PreTrainedModel`): The encoder.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.

    Returns:
        `int`: The limit, which is two less than the table of positions in models that count from the padding id on.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    limits = [int(tokenizer.model_max_length)]
    if positions is not None:
        # RoBERTa's family starts to count behind the padding id.
        embeddings = getattr(model.base_model, "embeddings", None)
        table = getattr(embeddings, "position_embeddings", None)
        padding = getattr(table, "padding_idx", None)
        limits.append(int(positions) - (padding + 1 if padding is not None else 0))
    return min(limits)
