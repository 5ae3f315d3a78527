"""`hf-mplm static ACTION`: word vectors of many languages in one space, and dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import static_export, static_extract, static_lexicon, static_map
from .actions import action_parser, split_action, verb_parser
from .parser import MplmArgumentParser


ACTIONS = {
    "extract": "take word vectors of many languages out of an encoder",
    "map": "bring the word vectors of languages into the space of one, the hub",
    "lexicon": "make dictionaries from sentences that translate each other, by counts alone",
    "export": "write word vectors as other tools read them",
}
# Action: the dataclass of its flags, and what does it.
_ACTIONS: dict[str, tuple[type, Callable[[Any], int]]] = {
    "extract": (static_extract.ExtractArguments, static_extract.run),
    "map": (static_map.MapArguments, static_map.run),
    "lexicon": (static_lexicon.LexiconArguments, static_lexicon.run),
    "export": (static_export.ExportArguments, static_export.run),
}


def make_parser(action: str | None = None) -> MplmArgumentParser:
    """The parser of one action, or of the verb itself, which only knows its actions.

    Args:
        action (`str`, *optional*): one of `ACTIONS`.
    """
    if action is None:
        return verb_parser("static", "Word vectors of many languages.", ACTIONS)
    return action_parser("static", action, ACTIONS[action], _ACTIONS[action][0])


def run(argv: Sequence[str]) -> int:
    """Do one action, and say where the result stands."""
    action, words = split_action(make_parser(), ACTIONS, argv)
    (arguments,) = make_parser(action).parse(words)
    return _ACTIONS[action][1](arguments)
