"""Verbs with actions, such as `hf-mplm tokenizer train`: one parser an action, and one for the verb itself."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from .parser import MplmArgumentParser


__all__ = ["action_parser", "split_action", "verb_parser"]


def verb_parser(verb: str, purpose: str, actions: Mapping[str, str]) -> MplmArgumentParser:
    """The parser of a verb without its action, which only knows its actions.

    Args:
        verb (`str`): such as `"tokenizer"`.
        purpose (`str`): what the verb is for, as a sentence.
        actions (`Mapping[str, str]`): actions, with what each does.
    """
    width = max(8, *(len(name) + 2 for name in actions))
    listed = "\n".join(f"  {name:<{width}}{does}" for name, does in actions.items())
    return MplmArgumentParser(
        (),
        prog=f"hf-mplm {verb}",
        usage=f"hf-mplm {verb} ACTION [--config NAME_OR_YAML] [flags]",
        description=f"{purpose}\n\nactions:\n{listed}",
        epilog=f"`hf-mplm {verb} ACTION --help` lists an action's flags.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def action_parser(
    verb: str,
    action: str,
    does: str,
    arguments: Any,
    renamed: Mapping[str, str] | None = None,
    positional: str | None = None,
) -> MplmArgumentParser:
    """The parser of one action.

    Args:
        verb (`str`): such as `"tokenizer"`.
        action (`str`): such as `"train"`.
        does (`str`): what it does, as a clause.
        arguments (`type` or a sequence of them): the dataclasses of its flags.
        renamed (`Mapping[str, str]`, *optional*): flags of before, with what to type now.
        positional (`str`, *optional*): the field that the words take that stand behind no flag.
    """
    return MplmArgumentParser(
        arguments,
        prog=f"hf-mplm {verb} {action}",
        description=f"{does[0].upper()}{does[1:]}.",
        renamed=dict(renamed) if renamed else None,
        positional=positional,
    )


def split_action(verb: MplmArgumentParser, actions: Mapping[str, str], argv: Sequence[str]) -> tuple[str, list[str]]:
    """Take the action out of a command line. It may stand behind --config, as any word of a command line may.

    Args:
        verb (`MplmArgumentParser`): the verb's own parser, which leaves where there is no action, or help is wanted.
        actions (`Mapping[str, str]`): the actions.
        argv (`Sequence[str]`): the command line without program and verb.

    Returns:
        `tuple[str, list[str]]`: the action, and the words without it.
    """
    words = list(argv)
    place = next((number for number, word in enumerate(words) if word in actions), None)
    if place is None or any(word in ("-h", "--help") for word in words[:place]):
        _leave(verb, actions, words)
    return words.pop(place), words


def _leave(verb: MplmArgumentParser, actions: Mapping[str, str], words: Sequence[str]) -> NoReturn:
    if any(word in ("-h", "--help") for word in words):
        verb.print_help()
        verb.exit()
    near = difflib.get_close_matches(words[0], actions, n=1, cutoff=0.4) if words else []
    hint = f"; the nearest is `{verb.prog} {near[0]}`" if near else ""
    verb.error(f"needed is an action, {' or '.join(actions)}, before its flags{hint}")
