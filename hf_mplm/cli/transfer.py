"""`hf-mplm transfer ACTION`: who helps whom, by few steps of tuning in one language and the scores of all others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from hf_mplm.transfer.settings import StudySettings

from . import transfer_findings, transfer_languages, transfer_plan, transfer_run, transfer_train_task
from .actions import action_parser, split_action, verb_parser
from .parser import MplmArgumentParser


ACTIONS = {
    "train-task": "train the module of a task above a frozen base",
    "languages": "train the adapters of languages above a frozen base",
    "plan": "say what a study will do, how long it takes and what it needs",
    "run": "run the units of a study; any number of these commands share it",
    "status": "say how far a study is, and the ranking so far",
    "report": "write the tables, pictures and the page of a study",
    "predict": "predict transfer that was not measured, and say how far that can be trusted",
    "advise": "rank donors for a language, by what was measured, by its relatives and by prediction",
}
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "train-task": (transfer_train_task.TrainTaskArguments,),
    "languages": (transfer_languages.LanguagesArguments,),
    "plan": (transfer_plan.PlanArguments, StudySettings),
    "run": (transfer_run.RunArguments,),
    "status": (transfer_run.StatusArguments,),
    "report": (transfer_findings.ReportArguments,),
    "predict": (transfer_findings.PredictArguments,),
    "advise": (transfer_findings.AdviseArguments,),
}
_RUN: dict[str, Callable[..., int]] = {
    "train-task": transfer_train_task.run,
    "languages": transfer_languages.run,
    "plan": transfer_plan.run,
    "run": transfer_run.run,
    "status": transfer_run.status,
    "report": transfer_findings.report,
    "predict": transfer_findings.predict,
    "advise": transfer_findings.advise,
}


def make_parser(action: str | None = None) -> MplmArgumentParser:
    """The parser of one action, or of the verb itself, which only knows its actions.

    Args:
        action (`str`, *optional*): one of `ACTIONS`.
    """
    if action is None:
        return verb_parser("transfer", "Who helps whom: transfer between languages, measured efficiently.", ACTIONS)
    return action_parser("transfer", action, ACTIONS[action], _ARGUMENTS[action])


def run(argv: Sequence[str]) -> int:
    """Do one action, and say where the result stands."""
    action, words = split_action(make_parser(), ACTIONS, argv)
    # A recipe holds the settings of all actions, of which each takes its own.
    flags = {
        name: {field.name for arguments in dataclasses_of for field in dataclasses.fields(arguments)}
        for name, dataclasses_of in _ARGUMENTS.items()
    }
    others = set().union(*flags.values(), (each.name for each in dataclasses.fields(StudySettings))) - flags[action]
    return _RUN[action](*make_parser(action).parse(words, ignore=others))
