"""How the models of a quickstart are measured."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .quickstart_arguments import QuickstartArguments
from .quickstart_parts import has_accelerator, make_part


if TYPE_CHECKING:
    from hf_mplm.data.store.token_store import TokenStore
    from hf_mplm.evaluation.results import ResultRow

__all__ = ["BITS", "HELD_OUT_TASK", "LOSS", "TABLES", "is_retrieval", "score", "score_held_out", "score_vectors"]

logger = logging.getLogger(__name__)

HELD_OUT_TASK, LOSS, BITS = "holdout", "mlm_loss", "bits_per_character"
TABLES = ("right", "none", "wrong")
"""What the tables of LangSAMP say in a held-out loss: each language's own row, nothing, or the next language's row."""


def score(args: QuickstartArguments, name: str, model: str, store: TokenStore) -> list[ResultRow]:
    """All scores of one model: of its vectors and of what it predicts.

    Args:
        args (`QuickstartArguments`): what the quickstart was told.
        name (`str`): what the model is called there.
        model (`str`): its folder, or its id on the Hub.
        store (`TokenStore`): with the held-out text.
    """
    rows = score_vectors(args, name, model) + score_held_out(args, name, model, store)
    if name == "langsamp":
        for said in TABLES[1:]:
            rows += score_held_out(args, name, model, store, said)
    return rows


def is_retrieval(row: ResultRow) -> bool:
    """Whether a row tells how many translations of English sentences are the nearest, by plain cosine."""
    return (row.task, row.setting, row.metric) == ("flores", "plain", "accuracy@1")


def score_vectors(args: QuickstartArguments, name: str, model: str) -> list[ResultRow]:
    """Retrieval and topics from English, cosine of translations, and how well a probe tells the language."""

    def measure() -> list[ResultRow]:
        from hf_mplm.evaluation.measured import load_encoder
        from hf_mplm.evaluation.runner import evaluate

        return evaluate(
            _EncodedOnce(load_encoder(model)),
            ["flores", "sib200", "neutrality"],
            Path(args.output) / "data",
            [code for code in args.languages if code != "eng_Latn"],
            retrieval_settings=["plain", "centred"],
            transfer_settings=["probe"],
            seeds=[args.seed],
        )

    return _scored(args, f"scores/{name}", model, {"languages": args.languages, "seed": args.seed}, measure)


def score_held_out(
    args: QuickstartArguments, name: str, model: str, store: TokenStore, tables: str = "right"
) -> list[ResultRow]:
    """Held-out loss in nats a masked token, and in bits a character, which compare between vocabularies.

    Args:
        args (`QuickstartArguments`): what the quickstart was told.
        name (`str`): what the model is called there.
        model (`str`): its folder, or its id on the Hub.
        store (`TokenStore`): with the held-out text.
        tables (`str`, *optional*, defaults to `"right"`): what LangSAMP's tables say, see [`TABLES`].
    """

    def measure() -> list[ResultRow]:
        from hf_mplm.data.store.held_out_text import held_out_text
        from hf_mplm.evaluation.loading import model_revision
        from hf_mplm.evaluation.results import make_row

        with tempfile.TemporaryDirectory() as scratch:
            losses = _held_out_trainer(args, model, store, tables, scratch).evaluate()
        revision = model_revision(model)
        setting = "" if tables == "right" else f"{tables} language"
        return [
            make_row(
                task=HELD_OUT_TASK,
                language=code,
                setting=setting,
                metric=metric,
                value=value,
                n=text.rows,
                model=model,
                revision=revision,
                seed=args.seed,
            )
            for code, text in held_out_text(store).items()
            for loss in [losses[f"eval_loss_{code}"]]
            for metric, value in ((LOSS, loss), (BITS, loss / math.log(2) * text.tokens / max(1, text.characters)))
        ]

    place = f"held_out/{name}" if tables == "right" else f"held_out/{name}-{tables}"
    told = {key: getattr(args, key) for key in ("batch_size", "mask_rate", "seed")}
    return _scored(args, place, model, {**told, "store": store.info["identity"], "tables": tables}, measure)


class _EncodedOnce:
    """An encoder that keeps what it encoded: all tasks here have the same sentences."""

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder
        self.name, self.revision, self.layer = encoder.name, encoder.revision, encoder.layer
        self._vectors: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str], *, progress: bool = False, language: str | None = None) -> np.ndarray:
        """Shape: (texts, dimension)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors |= zip(new, self.encoder.encode(new, progress=progress))
        return np.stack([self._vectors[text] for text in texts])


def _scored(
    args: QuickstartArguments, place: str, model: str, told: dict[str, Any], measure: Callable[[], list[ResultRow]]
) -> list[ResultRow]:
    from hf_mplm.evaluation.results import read_results, write_results
    from hf_mplm.trainers.base.sources import model_digest

    def build(folder: Path) -> None:
        logger.info("Measuring %s ...", place)
        write_results(folder, measure())

    folder = make_part(args, place, {"model": model_digest(model), **told}, build)
    # The folder of the whole may have been moved.
    return [replace(row, model=model) for row in read_results(folder)]


def _held_out_trainer(args: QuickstartArguments, model: str, store: TokenStore, tables: str, scratch: str) -> Any:
    import torch

    from hf_mplm.modeling import load_masked_lm
    from hf_mplm.trainers import MaskedLMTrainer, MaskedLMTrainingArguments

    loaded: Any = load_masked_lm(model)
    if tables != "right":
        for table in (loaded.language_embeddings, loaded.script_embeddings):
            with torch.no_grad():
                table.weight.copy_(torch.zeros_like(table.weight) if tables == "none" else table.weight.roll(1, 0))
    arguments = MaskedLMTrainingArguments(
        output_dir=scratch,
        per_device_eval_batch_size=args.batch_size,
        eval_mask_rate=args.mask_rate,
        seed=args.seed,
        disable_tqdm=True,
        use_cpu=not has_accelerator(),
    )
    return MaskedLMTrainer(loaded, arguments, store=store)
