"""What `--help` looks like: our flags first, Trainer's after, each under its heading and spelt once."""

from __future__ import annotations

import argparse
import inspect
from typing import Any


__all__ = ["HelpFormatter", "arrange", "short_usage"]

TRAINER = "flags of transformers.TrainingArguments"
FLAGS = "flags"
NEEDED = "needed"
_METAVARS = {int: "INT", float: "FLOAT", str: "TEXT", dict: "JSON"}


class HelpFormatter(argparse.HelpFormatter):
    """Show one spelling of a flag, and a default only where there is one."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        shown = [option for option in action.option_strings if "-" not in option.lstrip("-")]
        arguments = "" if action.nargs == 0 else f" {self._format_args(action, 'VALUE')}"
        return f"{', '.join(shown)}{arguments}"

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        if action.nargs == 0 or action.default in (None, argparse.SUPPRESS, "", []):
            return text
        shown = " ".join(map(str, action.default)) if isinstance(action.default, list) else str(action.default)
        return f"{text} (default: {shown.replace('%', '%%')})"


def arrange(parser: argparse.ArgumentParser, dataclass_types: list[Any]) -> None:
    """Put the flags of a parser under headings: what is needed, ours, what every verb has, Trainer's.

    Args:
        parser (`argparse.ArgumentParser`): Changed in place; what it parses stays the same.
        dataclass_types (`list`): The dataclasses whose fields are flags. Those that transformers declares, and no
            class of ours declares again, are Trainer's.
    """
    heading_of: dict[str, str] = {}
    for dataclass_type in dataclass_types:
        own = getattr(dataclass_type, "_argument_group_name", FLAGS)
        for name in dataclass_type.__dataclass_fields__:
            heading_of[name] = TRAINER if _declared_by(dataclass_type, name).startswith("transformers.") else own
    groups: dict[str, list[argparse.Action]] = {NEEDED: []}
    general = []
    for action in parser._actions:
        _name_value(action)
        if action.const is False and f"--{action.dest}" not in action.option_strings:
            # HfArgumentParser gives `--no_flag` the words of `--flag`, which say the opposite.
            action.help = f"turn off --{action.dest}, which is on by default"
        if action.dest not in heading_of:
            general.append(action)
        elif action.required:
            groups[NEEDED].append(action)
        else:
            groups.setdefault(heading_of[action.dest], []).append(action)
    trainers = groups.pop(TRAINER, [])
    groups["every verb"] = general
    groups[TRAINER] = trainers
    parser._action_groups.clear()
    for heading, actions in groups.items():
        if actions:
            parser.add_argument_group(heading)._group_actions.extend(actions)


def short_usage(parser: argparse.ArgumentParser) -> str:
    """The first line of `--help`: what is needed; the flags that may be left out would fill a screen.

    Args:
        parser (`argparse.ArgumentParser`): The parser.
    """
    words = [parser.prog]
    for action in parser._actions:
        if action.required:
            value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
            several = " ..." if action.nargs == "+" else ""
            # The shorter of two names, which is the one that all verbs share: --output for --output_dir.
            words.append(f"{min(action.option_strings, key=len, default='')} {value}{several}".strip())
    return " ".join([*words, "[--config NAME_OR_YAML] [flags]"]).replace("%", "%%")


def _declared_by(dataclass_type: type, name: str) -> str:
    """The module of the class that declares a field last, with its default and its help."""
    for cls in inspect.getmro(dataclass_type):
        if name in cls.__dict__.get("__annotations__", {}):
            return f"{cls.__module__}."
    return ""


def _name_value(action: argparse.Action) -> None:
    if action.metavar is not None or action.nargs == 0 or action.choices is not None:
        return
    convert = getattr(action.type, "convert", action.type)
    choices = getattr(action.type, "choices", None)
    if choices is not None:
        action.metavar = f"{{{','.join(map(str, choices))}}}"
    elif action.nargs == "?":
        action.metavar = "BOOL"
    else:
        action.metavar = _METAVARS.get(convert, "VALUE") if isinstance(convert, type) else "VALUE"
