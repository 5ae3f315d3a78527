"""The languages of a checkpoint, a row each: what it read of them, what its tokenizer makes of them, its scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hf_mplm.evaluation.summary import Measurement, describe, language_means
from hf_mplm.languages import language_name
from hf_mplm.report.table import format_cell, markdown_table


__all__ = [
    "LanguageFacts",
    "by_need",
    "gather_languages",
    "held_out_losses",
    "known_columns",
    "language_table",
    "main_measurements",
    "shorten_number",
]

# Of the metrics of a task the one that is shown, as the papers show them.
_METRICS = ("accuracy@10", "macro_f1", "f1", "accuracy", "las", "uas")
_SIZES = ("sentences", "tokens", "tokens_per_character", "unknown")
_SETTINGS = ("zero-shot", "plain", "probe")


@dataclass(frozen=True)
class LanguageFacts:
    """What is known of one language-script.

    Args:
        code (`str`): its code.
        is_trained (`bool`, *optional*, defaults to `True`): whether it was trained on, or measured alone.
        sentences (`int`, *optional*): of training text.
        tokens (`int`, *optional*): of training text.
        draws (`int`, *optional*): chunks, or pairs, drawn in training.
        tokens_per_character (`float`, *optional*): under this tokenizer.
        unknown (`float`, *optional*): share of characters that the tokenizer does not know.
        held_out (`float`, *optional*): held-out loss at the end.
        scores (`Mapping[str, float]`): task to its main metric.
    """

    code: str
    is_trained: bool = True
    sentences: int | None = None
    tokens: int | None = None
    draws: int | None = None
    tokens_per_character: float | None = None
    unknown: float | None = None
    held_out: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its English name; the code where there is none."""
        try:
            return language_name(self.code)
        except (ValueError, KeyError):
            return self.code


def gather_languages(
    told: Mapping[str, Mapping[str, Any]],
    draws: Mapping[str, int],
    state: Mapping[str, Any],
    rows: Iterable[Any],
) -> list[LanguageFacts]:
    """Put together what a run left of each language that was trained on or measured.

    Args:
        told (`Mapping[str, Mapping[str, Any]]`): language to its sizes, as `hf_mplm.json` has them.
        draws (`Mapping[str, int]`): language to chunks drawn.
        state (`Mapping[str, Any]`): `trainer_state.json`.
        rows (`Iterable[ResultRow]`): results of this checkpoint.

    Returns:
        `list[LanguageFacts]`: those trained on in the order of their codes, then those that were measured alone.
    """
    rows = list(rows)
    losses = held_out_losses(state)
    means = language_means(rows)
    scores: dict[str, dict[str, float]] = {}
    for task, key in main_measurements(rows).items():
        for code, value in means.get(key, {}).items():
            scores.setdefault(code, {})[task] = value
    trained = sorted({*told, *draws})
    found = []
    for code in [*trained, *sorted(set(scores) - set(trained))]:
        known = told.get(code, {})
        sizes: dict[str, Any] = {name: known.get(name) for name in _SIZES}
        is_trained = code in trained
        if not is_trained:
            sizes |= {"sentences": 0, "tokens": 0}
        sizes["draws"] = draws.get(code, None if is_trained else 0)
        reached = scores.get(code, {})
        found.append(LanguageFacts(code, is_trained, held_out=losses.get(code), scores=reached, **sizes))
    return found


def held_out_losses(state: Mapping[str, Any]) -> dict[str, float]:
    """The held-out loss of each language at the end, where it was measured by language."""
    prefix = "eval_loss_"
    history: Sequence[Mapping[str, Any]] = state.get("log_history", [])
    last: Mapping[str, Any] = next((entry for entry in reversed(history) if "eval_loss" in entry), {})
    return {
        key.removeprefix(prefix): float(value)
        for key, value in last.items()
        if key.startswith(prefix) and key != "eval_loss_macro"
    }


def main_measurements(rows: Iterable[Any]) -> dict[str, Measurement]:
    """Of each task the measurement that stands for it: of its main metric, without help, from English asking.

    Args:
        rows (`Iterable[ResultRow]`): results of one model.

    Returns:
        `dict[str, Measurement]`: task to what [`~hf_mplm.evaluation.summary.measurement`] names.
    """
    means = language_means(rows)

    def rank(key: Measurement) -> tuple[Any, ...]:
        _, metric, setting, source, direction, layer = key
        return (
            _place(metric, _METRICS),
            _place(setting, _SETTINGS),
            source != "eng_Latn",
            direction == "target->source",
            -len(means[key]),
            key,
        )

    best: dict[str, Measurement] = {}
    for key in sorted(means, key=rank):
        best.setdefault(key[0], key)
    return dict(sorted(best.items()))


def by_need(languages: Sequence[LanguageFacts]) -> list[LanguageFacts]:
    """Sort languages, the neediest first.

    Need is the mean of a language's places, from 0 to 1, by tokens of training text (fewest first), by unknown
    characters (most first) and by scores (lowest first, the mean of its places over the tasks that it has). Held-out
    loss and tokens a character do not enter: they do not compare between writing systems.

    Args:
        languages (`Sequence[LanguageFacts]`): the languages.
    """
    tasks = sorted({task for one in languages for task in one.scores})
    few = _places({one.code: float(one.tokens) for one in languages if one.tokens is not None})
    lost = _places({one.code: -one.unknown for one in languages if one.unknown is not None})
    low = [_places({one.code: one.scores[task] for one in languages if task in one.scores}) for task in tasks]

    def need(one: LanguageFacts) -> float:
        scored = [places[one.code] for places in low if one.code in places]
        parts = [places[one.code] for places in (few, lost) if one.code in places]
        parts += [sum(scored) / len(scored)] if scored else []
        return sum(parts) / len(parts) if parts else 1.0

    return sorted(languages, key=lambda one: (need(one), one.code))


def language_table(languages: Sequence[LanguageFacts], rows: Iterable[Any]) -> tuple[str, list[str]]:
    """Write languages as a Markdown table, the neediest first.

    Args:
        languages (`Sequence[LanguageFacts]`): see [`gather_languages`].
        rows (`Iterable[ResultRow]`): the results that their scores come from.

    Returns:
        `tuple[str, list[str]]`: the table, without columns that nothing is known of, and what its columns are, a
        clause each.
    """
    ordered = by_need(languages)
    per = [None if (value := one.tokens_per_character) is None else f"{value:.2f}" for one in ordered]
    lost = [None if (value := one.unknown) is None else f"{value:.1%}" for one in ordered]
    loss = [None if (value := one.held_out) is None else f"{value:.2f}" for one in ordered]
    columns: list[tuple[str, str, Sequence[Any]]] = [
        ("language", "", [one.name for one in ordered]),
        ("code", "", [one.code for one in ordered]),
        ("sentences", "", [shorten_number(one.sentences) for one in ordered]),
        ("tokens", "of training text", [shorten_number(one.tokens) for one in ordered]),
        ("drawn", "rows drawn in training, with repeats", [shorten_number(one.draws) for one in ordered]),
        ("per char.", "tokens a character under this tokenizer", per),
        ("unknown", "share of characters that this tokenizer does not know", lost),
        ("loss", "held-out loss a masked token, in nats", loss),
    ]
    for task, key in main_measurements(rows).items():
        columns.append((task, describe(key).removeprefix(f"{task} "), [one.scores.get(task) for one in ordered]))
    return known_columns(columns)


def known_columns(columns: Sequence[tuple[str, str, Sequence[Any]]]) -> tuple[str, list[str]]:
    """A Markdown table of the columns of which anything is known.

    Args:
        columns (`Sequence[tuple[str, str, Sequence[Any]]]`): of each the header, what it is in words (empty where the
            header says it), and its cells, `None` where nothing is known.

    Returns:
        `tuple[str, list[str]]`: the table, and what its columns are, a clause each.
    """
    known = [column for column in columns if any(cell is not None for cell in column[2])]
    lines = [list(line) for line in zip(*(cells for _, _, cells in known))]
    told = [f"*{header}*: {meaning}" for header, meaning, _ in known if meaning]
    return markdown_table([header for header, _, _ in known], lines, aligned=False), told


def shorten_number(value: int | None) -> str | None:
    """A count in at most five letters: `950`, `12.3k`, `4.56M`.

    Args:
        value (`int`, *optional*): the count.
    """
    if value is None:
        return None
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{name}" if value < 999.5 * unit else f"{value / unit:,.0f}{name}"
    return format_cell(value)


def _place(value: str, order: Sequence[str]) -> int:
    name = value.removesuffix("-no-specials")
    return order.index(name) if name in order else len(order)


def _places(values: Mapping[str, float]) -> dict[str, float]:
    """Each language's place from 0 to 1, lowest value first; equal values share one."""
    ordered = sorted(values.values())
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for place, value in enumerate(ordered):
        first.setdefault(value, place)
        last[value] = place
    most = max(1, len(ordered) - 1)
    return {code: (first[value] + last[value]) / 2 / most for code, value in values.items()}
