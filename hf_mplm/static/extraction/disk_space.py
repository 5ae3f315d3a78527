"""How much of the text is drawn and what it takes on the disk, told before the encoder starts."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from .occurrences import expected_occurrences, keep_probabilities
from .settings import ExtractionSettings
from .vocabulary import Vocabulary


__all__ = ["bytes_needed", "refuse_small_disk", "tell_what_is_drawn"]

logger = logging.getLogger(__name__)

# Below this share most of a text is left aside, which was made for a million sentences a language.
_SMALL_SHARE = 0.2


def bytes_needed(vocabularies: Sequence[Vocabulary], settings: ExtractionSettings, dimension: int) -> dict[str, int]:
    """What the work takes on the disk: contexts, sums of states, and the vectors, which are there twice at the end.

    Args:
        vocabularies (`Sequence[Vocabulary]`): words of all languages.
        settings (`ExtractionSettings`): what is kept.
        dimension (`int`): size of a vector.
    """
    need = {"contexts": 0, "sums": 0, "vectors": 0}
    for one in vocabularies:
        need["vectors"] += 2 * 4 * dimension * len(one.words)
        if settings.needs_targets:
            keep = keep_probabilities(one.counts, settings.subsample)
            drawn, _ = expected_occurrences(one.counts, keep, settings.epochs)
            rows = drawn if settings.context == "without-target" else min(drawn, one.sentences)
            need["contexts"] += round(rows * 2 * dimension + drawn * (8 + settings.epochs))
        if settings.needs_pooling:
            need["sums"] += one.words_by_part * (4 * dimension + 16)
    return need


def refuse_small_disk(need: dict[str, int], work: Path, contexts: Path) -> None:
    """Say how many gigabytes the work takes, and refuse where the disk has not as many.

    Args:
        need (`dict[str, int]`): what [`bytes_needed`] gives.
        work (`Path`): where is written.
        contexts (`Path`): folder of what is written already.

    Raises:
        OSError: if they do not fit.
    """
    total, free = sum(need.values()), shutil.disk_usage(work).free
    done = sum(path.stat().st_size for path in contexts.iterdir())
    logger.info(
        "%s will take about %s at most (%s), and have %s; all but the vectors is deleted at the end",
        work,
        _gigabytes(total),
        ", ".join(f"{name} {_gigabytes(size)}" for name, size in need.items() if size),
        _gigabytes(free + done),
    )
    if total > free + done:
        raise OSError(
            f"the work in {work} takes about {_gigabytes(total)}, and there are {_gigabytes(free + done)}: free some "
            "space, give an --output on another disk, fewer --languages, or take --context with-target, which keeps a "
            "vector a sentence instead of one an occurrence",
        )


def tell_what_is_drawn(vocabularies: Sequence[Vocabulary], settings: ExtractionSettings) -> None:
    """Warn where the threshold of subsampling leaves little of a text.

    Args:
        vocabularies (`Sequence[Vocabulary]`): words of all languages.
        settings (`ExtractionSettings`): with the threshold.
    """
    if not settings.needs_targets:
        return
    shares = {}
    for one in vocabularies:
        keep = keep_probabilities(one.counts, settings.subsample)
        shares[one.language] = expected_occurrences(one.counts, keep, 1)[1] / one.counts.sum()
    small = sorted((share, language) for language, share in shares.items() if share < _SMALL_SHARE)
    if small:
        shown = ", ".join(f"{language} {share:.0%}" for share, language in small[:5])
        logger.warning(
            "--subsample %g keeps less than %.0f%% of the occurrences of %d languages in an epoch (%s%s): it was made "
            "for a million sentences a language; with less text try --subsample 1e-3",
            settings.subsample,
            100 * _SMALL_SHARE,
            len(small),
            shown,
            ", ..." if len(small) > 5 else "",
        )


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
