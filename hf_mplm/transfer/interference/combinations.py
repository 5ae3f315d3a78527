"""Combinations of language adapters under the task modules (arXiv 2403.20088, section 2, negative interference)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

import torch

from hf_mplm._lists import as_list
from hf_mplm.data.store.token_store import TokenStore
from hf_mplm.transfer.modules.adapted_encoder import AdaptedEncoder
from hf_mplm.transfer.modules.record import ModuleRecord
from hf_mplm.transfer.tuning.base import Base
from hf_mplm.transfer.tuning.batches import MaskedBatches
from hf_mplm.transfer.tuning.few_steps import masked_lm_steps
from hf_mplm.transfer.tuning.seeds import seed_of

from .language_adapters import language_module


__all__ = ["combined_adapters", "find_language_adapters", "language_combinations", "seed_fusion", "train_fusion"]

logger = logging.getLogger(__name__)


def language_combinations(languages: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """All sets of so many languages, each sorted: 38, 703 and 8,436 of 38 languages for sizes 1, 2 and 3."""
    return list(combinations(sorted(as_list(languages)), size))


def find_language_adapters(folder: str | Path, base: str, hidden_size: int) -> dict[str, Path]:
    """Find the language adapters in a folder, and refuse those of another base.

    Args:
        folder (`str` or `Path`): with a folder a language.
        base (`str`): digest of the base's weights.
        hidden_size (`int`): its width.

    Returns:
        `dict[str, Path]`: code to the adapter's folder.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if one is of another base or width, or of no language.
    """
    found = {}
    for path in sorted(Path(folder).glob("*/module.json")):
        record = ModuleRecord.load(path.parent)
        if record.kind != "language":
            raise ValueError(f"{path.parent} holds the module of a {record.kind}; needed are those of languages")
        record.refuse_other(base, hidden_size, path.parent)
        found[record.name] = path.parent
    if not found:
        raise FileNotFoundError(f"{folder} holds no language adapters; train them: hf-mplm transfer languages")
    return found


@contextmanager
def combined_adapters(
    encoder: AdaptedEncoder, folders: Mapping[str, Path], languages: Sequence[str], fusion: str
) -> Iterator[str]:
    """Put the adapters of one to three languages into an encoder and join them, for the time of the block.

    What is drawn for a fusion comes from the random state.

    Args:
        encoder (`AdaptedEncoder`): the encoder.
        folders (`Mapping[str, Path]`): language to its adapter's folder.
        languages (`Sequence[str]`): the languages.
        fusion (`str`): how several are joined.

    Yields:
        `str`: what is to be activated below a task's module.

    Raises:
        ValueError: if a language has no adapter, or the backend cannot join them so.
    """
    languages = as_list(languages)
    if lacking := [code for code in languages if code not in folders]:
        raise ValueError(f"there is no adapter of {', '.join(lacking)}; there are {', '.join(folders)}")
    loaded: list[str] = []
    try:
        for code in languages:
            encoder.load(folders[code], language_module(code))
            loaded.append(language_module(code))
        if len(loaded) == 1:
            yield loaded[0]
        else:
            combination = encoder.combine(loaded, fusion)
            try:
                yield combination
            finally:
                encoder.dissolve(combination)
    finally:
        for name in loaded:
            encoder.remove(name)


def train_fusion(
    base: Base,
    encoder: AdaptedEncoder,
    combination: str,
    store: TokenStore,
    languages: Sequence[str],
    *,
    steps: int,
    learning_rate: float,
    batch_size: int,
    max_length: int,
    mask_rate: float,
    seed: int,
) -> list[float]:
    """Train how adapters are weighed (Pfeiffer et al. 2021), on masked text of their languages in equal shares.

    The base, the adapters and the task's module, which takes no part, stay as they are.

    Args:
        base (`Base`): the base.
        encoder (`AdaptedEncoder`): its encoder with the combination in it.
        combination (`str`): what [`AdaptedEncoder.combine`] gave.
        store (`TokenStore`): the text.
        languages (`Sequence[str]`): the languages.
        steps (`int`): how long.
        learning_rate (`float`): peak learning rate of AdamW, which goes to 0.
        batch_size (`int`): rows of a batch.
        max_length (`int`): tokens of a row.
        mask_rate (`float`): share of the tokens that are masked.
        seed (`int`): of rows, masks and dropout.

    Returns:
        `list[float]`: the loss of each step.
    """
    languages = as_list(languages)
    batches = MaskedBatches(
        store,
        languages,
        base.tokenizer,
        num_batches=steps,
        batch_size=batch_size,
        max_length=base.window(max_length),
        mask_rate=mask_rate,
        seed=seed_of(seed, "fusion text", *languages),
    )
    with encoder.active(combination):
        encoder.train(combination)
        weights = list(encoder.weights(combination).values())
        dropout = seed_of(seed, "fusion", *languages)
        losses = list(
            masked_lm_steps(base, encoder.encoder, weights, batches, learning_rate=learning_rate, seed=dropout)
        )
    encoder.encoder.requires_grad_(False)
    return losses


def seed_fusion(seed: int, languages: Sequence[str]) -> None:
    """Seed what a fusion is drawn from, by its languages alone."""
    torch.manual_seed(seed_of(seed, "new fusion", *as_list(languages)))
