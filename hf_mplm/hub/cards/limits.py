"""What a checkpoint cannot be trusted with, computed from its training text, its tokenizer, scores and an audit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm.data.store.shares import MOST_UNKNOWN
from hf_mplm.evaluation.chance import is_at_chance
from hf_mplm.jobs.files import DamagedError, read_json
from hf_mplm.languages import parse_code
from hf_mplm.report.table import markdown_escape

from .languages import LanguageFacts, main_measurements


__all__ = ["find_limits", "read_overlap"]

FEW_SENTENCES = 30_000
"""Glot500 (ImaniGooghari et al. 2023, section 3.2) trains on languages with more sentences alone."""

_MOST_NAMED = 12
# A character of these is a syllable or a word, so that tokens a character are many.
_DENSE = ("Hani", "Hans", "Hant", "Jpan", "Hira", "Kana", "Hang", "Kore", "Yiii")
OVERLAP_FILES = ("overlap.json", "overlap/overlap.json")


def find_limits(
    languages: Sequence[LanguageFacts],
    rows: Sequence[Any],
    overlap: Mapping[str, Any] | None,
) -> list[str]:
    """Find what limits a checkpoint, a sentence each.

    Args:
        languages (`Sequence[LanguageFacts]`): see [`~hf_mplm.hub.cards.languages.gather_languages`].
        rows (`Sequence[ResultRow]`): its results.
        overlap (`Mapping[str, Any]`, *optional*): what `hf-mplm audit` found, as its JSON has it.
    """
    trained = [one for one in languages if one.is_trained]
    found = [*_little_text(trained), *_tokenizer(trained), *_chance(rows)]
    if trained and not any(one.held_out is not None for one in trained):
        found.append("No held-out loss was measured.")
    if not rows:
        found.append("No task was measured: `hf-mplm evaluate --update_card true` does so.")
    return [*found, *_overlap(overlap)]


def read_overlap(folder: Path) -> dict[str, Any] | None:
    """What `hf-mplm audit --output FOLDER` (or `FOLDER/overlap`) left beside a checkpoint; `None` if nothing.

    Raises:
        DamagedError: if it is not what an audit writes.
    """
    for name in OVERLAP_FILES:
        found = read_json(folder / name, "Repeat hf-mplm audit.")
        if found is None:
            continue
        if not isinstance(found, dict) or not isinstance(found.get("rows"), list):
            raise DamagedError(folder / name, "it is nothing that an audit wrote", "Repeat hf-mplm audit.")
        return found
    return None


def _little_text(languages: Sequence[LanguageFacts]) -> list[str]:
    lines = []
    never = [one.code for one in languages if one.draws == 0]
    if never:
        lines.append(f"Nothing was drawn in training of {_some(never)}.")
    few = sorted(
        (one for one in languages if one.sentences is not None and one.sentences < FEW_SENTENCES),
        key=lambda one: (one.sentences or 0, one.code),
    )
    if few:
        named = [f"{one.code} ({one.sentences:,})" for one in few]
        lines.append(
            f"Little text: {len(few)} of {len(languages)} language-scripts have fewer than {FEW_SENTENCES:,} "
            f"sentences, from which on Glot500 takes a language: {_some(named)}."
        )
    return lines


def _tokenizer(languages: Sequence[LanguageFacts]) -> list[str]:
    lines = []
    lost = {one.code: one.unknown for one in languages if one.unknown is not None and one.unknown > MOST_UNKNOWN}
    if lost:
        named = [f"{code} ({share:.0%})" for code, share in sorted(lost.items(), key=lambda pair: (-pair[1], pair[0]))]
        lines.append(f"The tokenizer does not know more than {MOST_UNKNOWN:.0%} of the characters of {_some(named)}.")
    groups: dict[bool, list[LanguageFacts]] = defaultdict(list)
    for one in languages:
        if one.tokens_per_character:
            groups[parse_code(one.code).script in _DENSE].append(one)
    torn = []
    for members in groups.values():
        middle = float(np.median([one.tokens_per_character for one in members if one.tokens_per_character]))
        torn += [(one, (one.tokens_per_character or 0) / middle) for one in members]
    high = sorted(((one, times) for one, times in torn if times > 2), key=lambda pair: (-pair[1], pair[0].code))
    if high:
        named = [f"{one.code} ({times:.1f} times)" for one, times in high]
        lines.append(
            "The tokenizer needs more than twice the median of tokens a character (among languages whose characters "
            f"are letters, and among those whose are syllables or words) for {_some(named)}."
        )
    return lines


def _chance(rows: Sequence[Any]) -> list[str]:
    """Tasks whose main metric is what guessing gives."""
    guessed: dict[str, dict[str, bool]] = defaultdict(dict)
    main = main_measurements(rows)
    metrics = {task: key[1] for task, key in main.items()}
    values: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows:
        key = (row.task, row.metric, row.setting, row.source_language, row.direction, row.layer)
        in_language = (*key[:3], "", *key[4:])
        if main.get(row.task) in (key, in_language) and row.source_language != row.language:
            values[row.task, row.language].append(row)
    for (task, code), members in values.items():
        mean = sum(row.value for row in members) / len(members)
        guessed[task][code] = is_at_chance(task, metrics[task], mean, min(row.n for row in members))
    lines = []
    for task, found in sorted(guessed.items()):
        at = sorted(code for code, is_guess in found.items() if is_guess)
        if at:
            name = f"{markdown_escape(task)} ({markdown_escape(metrics[task])})"
            lines.append(
                f"At the level of guessing, within two standard errors: {name} in {len(at)} of {len(found)} "
                f"languages: {_some(at)}."
            )
    return lines


def _overlap(overlap: Mapping[str, Any] | None) -> list[str]:
    if overlap is None:
        return [
            "Whether test sentences stand in the training text was not looked for: `hf-mplm audit` does so. Scores of "
            "text that was trained on say little."
        ]
    rows = [row for row in overlap["rows"] if isinstance(row, dict)]
    leaks = sorted((row for row in rows if row.get("exact", 0) > 0), key=lambda row: -float(row["exact"]))
    looked = f"{len(rows):,} test set{'s' if len(rows) != 1 else ''} (task and language)"
    if not leaks:
        return [f"No sentence of {looked} stands in the training text whole (`hf-mplm audit`)."]
    named = [f"{markdown_escape(str(row['task']))} {row['language']} ({row['exact']:.1%})" for row in leaks]
    return [
        f"Of {len(leaks):,} of {looked} sentences stand in the training text whole, which flatters their scores: "
        f"{_some(named)} (`hf-mplm audit`)."
    ]


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
