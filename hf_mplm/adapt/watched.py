"""Old languages that nothing is trained on: the sample that ships with the package tells what they lose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from hf_mplm.sample import iter_sample, sample_languages


__all__ = ["MOST_WATCHED", "watched_languages", "write_watched_text"]

MOST_WATCHED = 8


def watched_languages(found: Mapping[str, Any], trained: Iterable[str]) -> list[str]:
    """The nearest known languages of the new ones, which have most to lose, then English, then others that are known.

    Args:
        found (`Mapping`): the diagnosis.
        trained (`Iterable[str]`): languages that are trained on, which are measured by their own text.

    Returns:
        `list[str]`: codes of the sample, eight at most.
    """
    have = set(sample_languages()).intersection(found["known"]).difference(trained)
    ranked = dict.fromkeys([*found["advice"]["replay"], "eng_Latn", *found["known"]])
    return [code for code in ranked if code in have][:MOST_WATCHED]


def write_watched_text(folder: Path, codes: Iterable[str], holdout: int) -> Path:
    """Write the sample's sentences of some languages as `CODE.txt`.

    Args:
        folder (`Path`): the folder for them.
        codes (`Iterable[str]`): which.
        holdout (`int`): how many of a language are to be held out; ten times as many are written, of which a store
            holds a tenth out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for code in codes:
        lines = [row.text for row in islice(iter_sample([code]), 10 * holdout)]
        (folder / f"{code}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
