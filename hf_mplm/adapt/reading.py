"""How the text of an adaptation is read: new and replayed alike, but for their languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hf_mplm.data.corpus.corpora import list_languages
from hf_mplm.data.corpus.options import ReadOptions

from .settings import AdaptSettings


__all__ = ["list_codes", "read_keywords", "read_options"]


def read_options(settings: AdaptSettings, languages: tuple[str, ...] | None = None) -> ReadOptions:
    """How some languages of a corpus are read.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
        languages (`tuple[str, ...]`, *optional*): which; all by default.
    """
    return ReadOptions(
        languages,
        settings.text_column,
        settings.language_column,
        settings.fold_han,
        settings.split,
        settings.corpus_revision,
    )


def read_keywords(settings: AdaptSettings) -> dict[str, Any]:
    """The same for functions to which `languages` are another thing, or nothing.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
    """
    return {name: value for name, value in asdict(read_options(settings)).items() if name != "languages"}


def list_codes(settings: AdaptSettings, corpus: Sequence[str]) -> list[str]:
    """The codes of a corpus, sorted.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
        corpus (`Sequence[str]`): what is read.
    """
    return list_languages(list(corpus), **read_keywords(settings))
