"""What is known of a pair of languages without any training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from hf_mplm._lists import as_list
from hf_mplm.languages.linguistic_similarities import (
    genealogical_similarity,
    geographical_similarity,
    same_script,
    typological_similarity,
)
from hf_mplm.languages.typology import DOMAINS


__all__ = ["LINEAGE", "TokenizedText", "pair_features"]

LINEAGE = "lineage"
"""The feature that stands alone as a baseline of predictions."""


class TokenizedText(Protocol):
    """Text of languages under the base's tokenizer."""

    def tokens(self, language: str) -> Mapping[str, int]:
        """Token -> how often it occurs in a sample of the language's text; empty where there is no text."""
        ...

    def words(self, language: str) -> int:
        """Words of that sample."""
        ...


def pair_features(
    transfer_language: str,
    target: str,
    tokenizer: TokenizedText | None = None,
    vectors: Mapping[str, np.ndarray] | None = None,
    seen: str | Iterable[str] | None = None,
) -> dict[str, float]:
    """Describe a transfer language and a target.

    Args:
        transfer_language (`str`): what would be tuned on.
        target (`str`): what would be scored.
        tokenizer (`TokenizedText`, *optional*): for the overlap of tokens, both fertilities and the size of the text.
        vectors (`Mapping[str, np.ndarray]`, *optional*): vectors of languages, for their cosine.
        seen (`str` or `Iterable[str]`, *optional*): languages that the base was trained on.

    Returns:
        `dict[str, float]`: the same names for every pair; NaN for what is not known. `lineage` (shared part of the
        lineages), `script` (1 if it is the same), `distance` (great circle, in 1,000 km), `syntax`, `phonology` and
        `inventory` (share of URIEL's features that are the same), and what the other arguments add.

    Raises:
        ValueError: Not a code.
    """
    codes = [transfer_language, target]
    found = {
        LINEAGE: float(genealogical_similarity(codes)[0, 1]),
        "script": float(same_script(codes)[0, 1]),
        "distance": float(-geographical_similarity(codes)[0, 1]) / 1000,
        **{domain: float(typological_similarity(codes, domain)[0, 1]) for domain in DOMAINS},
    }
    if tokenizer is not None:
        found.update(_token_features(tokenizer, transfer_language, target))
    if vectors is not None:
        found["cosine"] = _cosine(vectors.get(transfer_language), vectors.get(target))
    if seen is not None:
        known = set(as_list(seen))
        found["transfer_language_seen"] = float(transfer_language in known)
        found["target_seen"] = float(target in known)
    return found


def _token_features(text: TokenizedText, transfer_language: str, target: str) -> dict[str, float]:
    first, second = text.tokens(transfer_language), text.tokens(target)
    sizes = [sum(first.values()), sum(second.values())]
    overlap = float("nan")
    if all(sizes):
        # The share of their running tokens that two texts have in common.
        overlap = sum(min(first[token] / sizes[0], second[token] / sizes[1]) for token in first.keys() & second.keys())
    fertility = [
        size / words if size and words else float("nan")
        for size, words in zip(sizes, (text.words(transfer_language), text.words(target)))
    ]
    return {
        "token_overlap": overlap,
        "transfer_language_fertility": fertility[0],
        "target_fertility": fertility[1],
        "transfer_language_log_tokens": float(np.log10(sizes[0])) if sizes[0] else float("nan"),
    }


def _cosine(first: np.ndarray | None, second: np.ndarray | None) -> float:
    if first is None or second is None:
        return float("nan")
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.dot(first, second)) / length if length else float("nan")
