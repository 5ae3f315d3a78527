"""How much text an adaptation reads, as far as that can be told before it is tokenized."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hf_mplm.data.corpus.corpora import find_files

from .reading import read_options
from .settings import AdaptSettings
from .watched import MOST_WATCHED


__all__ = ["TextSize", "measure_text"]

# Of UTF-8 a token: Latin letters have fewer, other scripts more. Compressed text is a fourth of its size.
_BYTES = 4
_SMALLER = 4
_A_SENTENCE = 32


class TextSize(NamedTuple):
    """Tokens, of which those of text to replay are told by the size of its files.

    Attributes:
        new (`int`): of the new languages.
        replayed (`int`): of text to replay; 0 of datasets on the Hub, whose size is not known.
        held_out (`int`): of both that is evaluated on.
        watched (`int`): of known languages that the report measures beside them.
    """

    new: int
    replayed: int
    held_out: int
    watched: int


def measure_text(settings: AdaptSettings, found: Mapping[str, Any]) -> TextSize:
    """Count and estimate.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
        found (`Mapping`): the diagnosis.
    """
    replayed, languages = 0, set()
    if settings.replay_corpus is not None:
        for file in find_files(list(settings.replay_corpus), read_options(settings, settings.replay_languages)):
            languages.add(file.language)
            replayed += 0 if file.kind == "hub" else file.size * (_SMALLER if file.compressed else 1) // _BYTES
    held_out = sum(
        min(settings.holdout, about["sentences"] // 10) * about["tokens"] // max(1, about["sentences"])
        for about in found["languages"].values()
    )
    held_out += min(replayed // 10, settings.holdout * len(languages) * _A_SENTENCE)
    new = sum(about["tokens"] for about in found["languages"].values())
    return TextSize(new, replayed, held_out, MOST_WATCHED * settings.holdout * _A_SENTENCE)
