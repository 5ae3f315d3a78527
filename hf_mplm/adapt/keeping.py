"""How the languages that the encoder knows are kept while it learns others: by their text, by the start, or not."""

from __future__ import annotations

from .settings import AdaptSettings


__all__ = ["distils", "is_unguarded", "keeping_line"]


def distils(settings: AdaptSettings) -> bool:
    """Whether the run is held to what the start would predict; a new LM head predicts nothing yet.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
    """
    return settings.replay_corpus is None and settings.distill_weight > 0 and not settings.new_lm_head


def is_unguarded(settings: AdaptSettings) -> bool:
    """Whether nothing keeps what the encoder knows.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
    """
    return settings.replay_corpus is None and not distils(settings)


def keeping_line(settings: AdaptSettings) -> str:
    """The same in a line.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
    """
    if settings.replay_corpus is not None:
        return f"old languages are kept by replay, {settings.replay_share:g} of the draws"
    if distils(settings):
        return f"old languages are kept by distillation from the start, of weight {settings.distill_weight:g}"
    why = (
        "the LM head is new, so that the start predicts nothing to be held to"
        if settings.new_lm_head
        else "--distill_weight is 0"
    )
    return f"old languages are kept by nothing: {why}, and there is no --replay_corpus of their text"
