"""The settings of transfer: what of a task is trained on which language, and scored on which."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..context import Context
from ..results import NOT_APPLICABLE
from ..task import Cell


__all__ = [
    "IN_LANGUAGE",
    "PROBE",
    "ZERO_SHOT",
    "few_shot_examples",
    "finetuned_settings",
    "trains_on_targets",
    "transfer_cells",
]

ZERO_SHOT, IN_LANGUAGE, PROBE = "zero-shot", "in-language", "probe"
_FEW_SHOT = re.compile(r"few-shot-([1-9]\d*)")


def few_shot_examples(setting: str) -> int:
    """How many examples of the target language a setting tunes on: K of `few-shot-K`, else 0."""
    match = _FEW_SHOT.fullmatch(setting)
    return int(match[1]) if match else 0


def trains_on_targets(settings: Sequence[str]) -> bool:
    """Tell whether any of some settings trains on the languages that are scored, not on source languages alone."""
    return any(setting == IN_LANGUAGE or few_shot_examples(setting) for setting in settings)


def finetuned_settings(context: Context) -> list[str]:
    """List the transfer settings of a run in which a model is fine-tuned.

    Args:
        context (`Context`): The settings of the run.

    Returns:
        `list[str]`: Of `"zero-shot"`, `"few-shot-K"` and `"in-language"`.

    Raises:
        ValueError: If a setting is not known.
    """
    for setting in context.settings.transfer.settings:
        if setting not in (ZERO_SHOT, IN_LANGUAGE, PROBE) and not few_shot_examples(setting):
            raise ValueError(
                f"transfer setting {setting!r} is not known; choose of zero-shot, few-shot-K (few-shot-10), "
                "in-language and probe"
            )
    return [setting for setting in context.settings.transfer.settings if setting != PROBE]


def transfer_cells(task: str, settings: Sequence[str], context: Context, languages: Sequence[str]) -> list[Cell]:
    """List what there is to compute.

    Args:
        task (`str`): Name of the task.
        settings (`Sequence[str]`): What [`finetuned_settings`] gave.
        context (`Context`): The run, for its source languages and seeds.
        languages (`Sequence[str]`): Codes of the languages to score.

    Returns:
        `list[Cell]`: In the order of settings, seeds, sources and languages.
    """
    cells = []
    for setting in settings:
        pairs = [(source, target) for source in context.source_languages for target in languages]
        if setting == IN_LANGUAGE:
            pairs = [(language, language) for language in languages]
        elif few_shot_examples(setting):
            pairs = [(source, target) for source, target in pairs if source != target]
        for seed in context.settings.transfer.seeds:
            cells += [Cell(task, target, source, "", setting, NOT_APPLICABLE, seed) for source, target in pairs]
    return cells
