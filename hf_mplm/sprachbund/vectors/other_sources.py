"""Vectors of languages that another part of the package has learned: LangSAMP's tables, static embeddings."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hf_mplm._lists import as_codes
from hf_mplm.data.tokenizing.encoding import hash_sentences
from hf_mplm.evaluation.loading import model_revision
from hf_mplm.languages import parse_code

from .block_sums import NUM_BLOCKS, BlockSums
from .language_vectors import LanguageVectors


__all__ = ["from_langsamp", "from_words"]

logger = logging.getLogger(__name__)


def from_langsamp(
    model: str | Path, languages: str | Sequence[str] | None = None, *, revision: str | None = None
) -> LanguageVectors:
    """The language embeddings of a LangSAMP model, as the one view `langsamp`.

    A row of its table belongs to a language, whatever the script; a language gets the code of its usual script. One
    vector a language says nothing of its error.

    Args:
        model (`str` or `Path`): folder, or id on the Hub.
        languages (`str` or `Sequence[str]`, *optional*): codes to take, with the script that they shall have; all
            languages of the table by default.
        revision (`str`, *optional*): of a model on the Hub.

    Raises:
        ValueError: if the model has no table of languages, or one that is asked for is not in it.
    """
    from transformers import AutoModelForMaskedLM

    from hf_mplm.evaluation.loading import load_model

    loaded = load_model(model, AutoModelForMaskedLM, revision=revision)
    table = getattr(loaded, "language_embeddings", None)
    listed = list(getattr(loaded.config, "languages", None) or [])
    if table is None or not listed:
        raise ValueError(
            f"{model} has no table of languages; train one with: hf-mplm pretrain --config langsamp --model {model}"
        )
    row_of = {language: row for row, language in enumerate(listed)}
    codes: dict[str, str] = {}
    unknown = []
    for wanted in as_codes(languages) or listed:
        try:
            code = parse_code(wanted)
        except ValueError:
            if languages is not None:
                raise
            unknown.append(wanted)
            continue
        if code.language not in row_of:
            raise ValueError(f"{wanted} is not in the table of {model}, which has {', '.join(listed[:10])}, ...")
        codes[code.code] = code.language
    if unknown:
        logger.warning(
            "left out, because their script cannot be told: %s; name them with --languages CODE_Script",
            ", ".join(unknown),
        )
    weights = table.weight.detach().float().cpu().numpy()
    ordered = sorted(codes)
    rows = np.stack([weights[row_of[codes[code]]] for code in ordered]).astype(np.float64)
    blocks = BlockSums.zeros(len(ordered), rows.shape[1])
    for row, vector in enumerate(rows):
        blocks.add(row, np.zeros(1, dtype=np.int64), vector[None])
    about = {"source": "langsamp", "model": str(model), "revision": model_revision(model, revision=revision)}
    return LanguageVectors(ordered, {"langsamp": blocks}, {**about, "left_out": unknown})


def from_words(tables: Mapping[str, tuple[Sequence[str], np.ndarray]], model: str, revision: str) -> LanguageVectors:
    """The mean of each language's word vectors, as the one view `static`.

    Words stand for sentences here: the standard error is over them.

    Args:
        tables (`Mapping[str, tuple[Sequence[str], np.ndarray]]`): code to words and their vectors, of one space.
            Shapes: (words, dimension).
        model (`str`): where they come from.
        revision (`str`): which version of it.
    """
    codes = sorted(tables)
    blocks = BlockSums.zeros(len(codes), next(iter(tables.values()))[1].shape[1])
    for row, code in enumerate(codes):
        words, vectors = tables[code]
        blocks.add(row, (hash_sentences(words, 0) % NUM_BLOCKS).astype(np.int64), vectors)
    return LanguageVectors(codes, {"static": blocks}, {"source": "static", "model": model, "revision": revision})
