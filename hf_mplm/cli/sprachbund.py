"""`hf-mplm sprachbund ACTION`: vectors of languages, clusters of similar ones, what they mean, a model for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from . import sprachbund_analyse, sprachbund_cluster, sprachbund_train, sprachbund_vectors
from .actions import action_parser, split_action, verb_parser
from .parser import MplmArgumentParser


ACTIONS = {
    "vectors": "compute a vector of every language of a corpus, in several views",
    "cluster": "find the languages that belong together, and draw them",
    "analyse": "hold vectors and clusters against families, scripts, places, grammar, sounds and words",
    "train": "continue the pretraining of one model a cluster",
}
_ARGUMENTS: dict[str, type] = {
    "vectors": sprachbund_vectors.VectorsArguments,
    "cluster": sprachbund_cluster.ClusterArguments,
    "analyse": sprachbund_analyse.AnalyseArguments,
    "train": sprachbund_train.TrainArguments,
}
_RUN: dict[str, Callable[..., int]] = {
    "vectors": sprachbund_vectors.run,
    "cluster": sprachbund_cluster.run,
    "analyse": sprachbund_analyse.run,
    "train": sprachbund_train.run,
}
_POSITIONAL = {"cluster": "vectors", "analyse": "folders"}


def make_parser(action: str | None = None) -> MplmArgumentParser:
    """The parser of one action, or of the verb itself, which only knows its actions.

    Args:
        action (`str`, *optional*): one of `ACTIONS`.
    """
    if action is None:
        return verb_parser("sprachbund", "Languages that belong together, by what an encoder knows of them.", ACTIONS)
    return action_parser(
        "sprachbund", action, ACTIONS[action], _dataclasses(action), positional=_POSITIONAL.get(action)
    )


def run(argv: Sequence[str]) -> int:
    """Do one action, and say where the result stands."""
    action, words = split_action(make_parser(), ACTIONS, argv)
    # A recipe holds the settings of all actions, of which each takes its own.
    flags = {
        name: {field.name for arguments in _dataclasses(name) for field in dataclasses.fields(arguments)}
        for name in ACTIONS
    }
    others = set().union(*flags.values()) - flags[action]
    return _RUN[action](*make_parser(action).parse(words, ignore=others))


def _dataclasses(action: str) -> tuple[Any, ...]:
    if action != "train":
        return (_ARGUMENTS[action],)
    from hf_mplm.trainers import MaskedLMTrainingArguments

    return (_ARGUMENTS[action], MaskedLMTrainingArguments)
