"""Language adapters: what a small module learns of one language by masked language modelling above a frozen base."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from hf_mplm.data.store.token_store import TokenStore
from hf_mplm.transfer.modules.adapted_encoder import AdaptedEncoder
from hf_mplm.transfer.modules.record import ModuleRecord
from hf_mplm.transfer.tuning.base import Base
from hf_mplm.transfer.tuning.batches import MaskedBatches
from hf_mplm.transfer.tuning.few_steps import masked_lm_steps
from hf_mplm.transfer.tuning.seeds import seed_of


__all__ = ["LanguageAdapterSettings", "language_module", "train_language_adapter"]


@dataclass(frozen=True)
class LanguageAdapterSettings:
    """Hyper-parameters of a language adapter (appendix E).

    Args:
        epochs (`int`): passes over the language's text.
        batch_size (`int`): rows of a batch.
        max_length (`int`): tokens of a row.
        learning_rate (`float`): peak learning rate of AdamW, which goes to 0.
        mask_rate (`float`): share of the tokens that are masked.
        seed (`int`): of the adapter, rows, masks and dropout.
        max_steps (`int`, *optional*): at most so many steps, however much text there is.
    """

    epochs: int = 3
    batch_size: int = 8
    max_length: int = 256
    learning_rate: float = 5e-4
    mask_rate: float = 0.15
    seed: int = 42
    max_steps: int | None = None


def language_module(code: str) -> str:
    """What a language's adapter is called in an encoder."""
    return f"language_{code}"


def train_language_adapter(
    base: Base,
    encoder: AdaptedEncoder,
    store: TokenStore,
    code: str,
    folder: Path,
    settings: LanguageAdapterSettings,
    *,
    size: int,
    progress: Callable[[float], None] | None = None,
) -> ModuleRecord:
    """Train the adapter of one language and write it. The base and the encoder are as before afterwards.

    Args:
        base (`Base`): the base.
        encoder (`AdaptedEncoder`): its encoder.
        store (`TokenStore`): the text.
        code (`str`): the language, of the store's.
        folder (`Path`): where the adapter is written.
        settings (`LanguageAdapterSettings`): hyper-parameters.
        size (`int`): reduction factor of a bottleneck, or rank of a low-rank update.
        progress (`Callable`, *optional*): called with the loss of each step.

    Returns:
        `ModuleRecord`: what was written beside it.

    Raises:
        ValueError: if the store has no text of the language.
        DivergedError: if the loss became NaN.
    """
    rows = len(store.select([code]).train)
    steps = math.ceil(rows * settings.epochs / settings.batch_size)
    if settings.max_steps is not None:
        steps = min(steps, settings.max_steps)
    seed = seed_of(settings.seed, "language", code)
    name = language_module(code)
    with base.lent():
        batches = MaskedBatches(
            store,
            [code],
            base.tokenizer,
            num_batches=max(1, steps),
            batch_size=settings.batch_size,
            max_length=base.window(settings.max_length),
            mask_rate=settings.mask_rate,
            seed=seed,
            expects_passes=settings.epochs,
        )
        torch.manual_seed(seed)
        encoder.add(name, size)
        try:
            with encoder.active(name):
                encoder.train(name)
                weights = list(encoder.weights(name).values())
                losses = []
                for loss in masked_lm_steps(
                    base, encoder.encoder, weights, batches, learning_rate=settings.learning_rate, seed=seed
                ):
                    losses.append(loss)
                    if progress is not None:
                        progress(loss)
            encoder.save(name, folder, base_model=base.name)
        finally:
            encoder.remove(name)
    last = losses[-max(1, len(losses) // 10) :]
    record = ModuleRecord(
        kind="language",
        name=code,
        backend=encoder.backend,
        size=size,
        base=base.digest,
        base_model=base.name,
        hidden_size=int(base.encoder.config.hidden_size),
        languages={code: rows},
        settings={**asdict(settings), "steps": len(losses)},
        metrics={"loss": sum(last) / len(last)},
    )
    record.save(folder)
    return record
