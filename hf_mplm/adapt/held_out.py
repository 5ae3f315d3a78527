"""Bits a character of held-out text, which compare between vocabularies as losses a token do not."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from hf_mplm.data.store.held_out_text import held_out_text
from hf_mplm.data.store.token_store import TokenStore
from hf_mplm.modeling.stock import load_masked_lm
from hf_mplm.trainers.masked_lm.trainer import MaskedLMTrainer, MaskedLMTrainingArguments

from .settings import AdaptSettings


__all__ = ["HeldOut", "compare_bits", "complete_tables", "measure_held_out"]

_RESAMPLES = 2000
_DRAWS = 2


class HeldOut(NamedTuple):
    """What a model leaves of one language's held-out text.

    Attributes:
        losses (`list[float]`): summed loss of the masked tokens of each row, in nats.
        counts (`list[int]`): masked tokens of each row.
        tokens (`int`): of the text, see [`~hf_mplm.data.store.held_out_text.HeldOutText`].
        characters (`int`): of the text, likewise.
    """

    losses: list[float]
    counts: list[int]
    tokens: int
    characters: int

    def bits(self) -> float:
        """Bits a character: the mean loss of a masked token, times tokens a character.

        An estimate of the pseudo-log-likelihood (Salazar et al. 2020) with several tokens masked at once, by which
        each is told from less.
        """
        return float(self.resampled(np.arange(len(self.losses))[None])[0])

    def resampled(self, rows: np.ndarray) -> np.ndarray:
        """The same of rows that were drawn with repetition.

        Args:
            rows (`np.ndarray`): indices. Shape: (draws, rows).

        Returns:
            `np.ndarray`: bits a character. Shape: (draws,).
        """
        # A draw at a time: all at once are gigabytes for a large held-out set.
        losses, counts = (
            np.array([values[drawn].sum() for drawn in rows])
            for values in (np.asarray(self.losses), np.asarray(self.counts))
        )
        bits: np.ndarray = losses / np.maximum(1, counts) * self.tokens / max(1, self.characters) / math.log(2)
        return bits


def measure_held_out(model: str | Path, store: TokenStore, settings: AdaptSettings) -> dict[str, HeldOut]:
    """Mask the held-out text of a store, the same way for every model, and let one predict it.

    Args:
        model (`str` or `Path`): a masked-LM checkpoint with the store's tokenizer. Where it has tables of languages,
            one that they lack is predicted without them.
        store ([`~hf_mplm.TokenStore`]): with held-out text.
        settings ([`AdaptSettings`]): what the adaptation is told.

    Returns:
        `dict[str, HeldOut]`: by code, of the languages that have held-out text.
    """
    loaded = load_masked_lm(model, trust_remote_code=settings.trust_remote_code)
    complete_tables(loaded, store.languages)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = MaskedLMTrainingArguments(
            output_dir=scratch,
            per_device_eval_batch_size=1,
            eval_mask_draws=_DRAWS,
            disable_tqdm=True,
            use_cpu=settings.use_cpu or not torch.cuda.is_available(),
        )
        trainer: Any = MaskedLMTrainer(loaded, arguments, store=store)
        found: dict[str, tuple[list[float], list[int]]] = {}
        trainer.model.eval()
        with torch.no_grad():
            for batch in trainer.get_eval_dataloader():
                code = store.languages[int(batch["language"][0])]
                total, count = trainer.held_out_sums(trainer.model, trainer._prepare_inputs(batch))["mlm"]
                losses, counts = found.setdefault(code, ([], []))
                losses.append(float(total))
                counts.append(int(count))
    texts = held_out_text(store)
    return {
        code: HeldOut(losses, counts, texts[code].tokens, texts[code].characters)
        for code, (losses, counts) in found.items()
    }


def complete_tables(model: Any, codes: Sequence[str]) -> bool:
    """Rows of zeros for the languages and scripts that a LangSAMP checkpoint lacks: nothing is added for them.

    Args:
        model (`transformers.PreTrainedModel`): any masked-LM model.
        codes (`Sequence[str]`): codes such as `srp_Cyrl`.

    Returns:
        `bool`: whether it has tables, and so a row of each code.
    """
    names = ("language_embeddings", "script_embeddings")
    known = {name: table.num_embeddings for name in names if (table := getattr(model, name, None)) is not None}
    if not known:
        return False
    model.add_languages(codes)
    with torch.no_grad():
        for name in names:
            table = getattr(model, name)
            if table is not None:
                table.weight[known.get(name, 0) :] = 0.0
    return True


def compare_bits(before: HeldOut, after: HeldOut, seed: int = 0) -> tuple[float, float, float]:
    """The change in bits a character, with a 95 % interval over the rows of the held-out text.

    Args:
        before ([`HeldOut`]): of the start.
        after ([`HeldOut`]): of the adapted model; its rows may be others, as those of another vocabulary are.
        seed (`int`, *optional*, defaults to 0): of the resampled rows.

    Returns:
        `tuple[float, float, float]`: after less before, and the interval's ends; negative is better.
    """
    generator = np.random.default_rng(seed)
    one = generator.integers(len(before.losses), size=(_RESAMPLES, len(before.losses)), dtype=np.int32)
    paired = before.counts == after.counts
    other = (
        one if paired else generator.integers(len(after.losses), size=(_RESAMPLES, len(after.losses)), dtype=np.int32)
    )
    differences = after.resampled(other) - before.resampled(one)
    low, high = np.percentile(differences, [2.5, 97.5])
    return after.bits() - before.bits(), float(low), float(high)
