from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging


__all__ = ["load_model", "load_tokenizer", "model_revision", "position_limit"]

logger = logging.getLogger(__name__)

WEIGHT_FILES = ("*.safetensors", "*.bin")


def load_model(
    model: str | Path,
    auto_class: Any = AutoModel,
    *,
    trust_remote_code: bool = False,
    revision: str | None = None,
    **kwargs: Any,
) -> PreTrainedModel:
    """Load a checkpoint in float32 and refuse one whose encoder would be partly random.

    Args:
        model (`str` or `Path`): Hub id or folder.
        auto_class (*optional*, defaults to `AutoModel`): The auto class to load with. Its own head may be new.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.
        **kwargs: For `from_pretrained`, such as `num_labels`.

    Returns:
        `PreTrainedModel`: The model in evaluation mode.

    Raises:
        ValueError: If the checkpoint lacks weights of the encoder.
    """
    # Which weights are missing is judged below; the loader's own table would list each new head as a problem.
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        loaded, info = auto_class.from_pretrained(
            model,
            dtype=torch.float32,
            output_loading_info=True,
            trust_remote_code=trust_remote_code,
            revision=revision,
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


def load_tokenizer(
    model: str | Path, *, trust_remote_code: bool = False, revision: str | None = None
) -> PreTrainedTokenizerBase:
    """Load the tokenizer that stands beside a checkpoint.

    Args:
        model (`str` or `Path`): Hub id or folder.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.

    Returns:
        `PreTrainedTokenizerBase`: The tokenizer.
    """
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        model, trust_remote_code=trust_remote_code, revision=revision
    )
    return tokenizer


def model_revision(model: str | Path, *, revision: str | None = None, trust_remote_code: bool = False) -> str:
    """Say which version of a checkpoint is measured.

    Args:
        model (`str` or `Path`): Hub id or folder.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.

    Returns:
        `str`: The commit of a Hub model; for a folder `sha256:` and the first twelve digits of the hash of its
        configuration and weights.
    """
    folder = Path(model)
    if not folder.is_dir():
        config = AutoConfig.from_pretrained(model, revision=revision, trust_remote_code=trust_remote_code)
        return str(getattr(config, "_commit_hash", None) or revision or "")
    digest = hashlib.sha256()
    weights = next((sorted(folder.glob(pattern)) for pattern in WEIGHT_FILES if any(folder.glob(pattern))), [])
    for path in [folder / "config.json", *weights]:
        with open(path, "rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return f"sha256:{digest.hexdigest()[:12]}"


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
