"""One parser for every verb: dataclass fields are flags, recipe keys are flags, flags win over recipes."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from transformers import HfArgumentParser

from hf_mplm.recipes import list_recipes, load_recipe

from .help import HelpFormatter, arrange, short_usage
from .lists import KEPT_WHOLE, ListItems, StoreAction


__all__ = ["MplmArgumentParser", "config_of"]

# argparse expands `%(name)s` in help texts; any other percent sign of an inherited help text would raise there.
_LONE_PERCENT = re.compile(r"(?<!%)%(?![(%])")
# What looks like the name of a flag, and can therefore be repeated: a value may be a token.
_FLAG = re.compile(r"--[A-Za-z][A-Za-z_-]*[0-9]?")
_NUMBER = re.compile(r"-[0-9.]+([eE][+-]?[0-9]+)?")


def config_of(words: Sequence[str], prog: str | None = None) -> str | None:
    """What `--config` names in a command line; `None` where it is not given."""
    finder = argparse.ArgumentParser(prog=prog, add_help=False, allow_abbrev=False)
    finder.add_argument("--config")
    found: str | None = finder.parse_known_args(list(words))[0].config
    return found


class MplmArgumentParser(HfArgumentParser):
    """Parse dataclasses from flags and from a recipe.

    `--config` takes the name of a recipe of the package or a YAML file. Its keys are flags, its values become the
    flags' defaults, so that precedence is: command line, recipe, dataclass default. A list is written `a b` or `a,b`,
    in a recipe as a YAML list or as a string.

    Args:
        dataclass_types (dataclass type or a sequence of them): what to fill; a class attribute
            `_argument_group_name` becomes its heading in `--help`.
        positional (`str`, *optional*): the field that is filled by the words of the command line that stand behind no
            flag.
        renamed (`Mapping[str, str]`, *optional*): flags of before to what is to be said to those who type them.
        **kwargs: passed to `argparse.ArgumentParser`.
    """

    def __init__(
        self,
        dataclass_types: Any,
        *,
        positional: str | None = None,
        renamed: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        # Abbreviated flags would make adding a flag a breaking change.
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", HelpFormatter)
        super().__init__(dataclass_types, **kwargs)
        self.renamed = dict(renamed or {})
        for dataclass_type in self.dataclass_types:
            self._withhold(getattr(dataclass_type, "_withheld_flags", {}))
        self.positional = positional
        if positional is not None:
            self._make_positional(positional)
        self.add_argument(
            "--config",
            metavar="NAME_OR_YAML",
            help=f"a recipe of the package ({', '.join(list_recipes())}) or a YAML file; its keys are these flags",
        )
        for action in self._actions:
            if action.help:
                action.help = _LONE_PERCENT.sub("%%", action.help)
            if action.nargs in ("+", "*"):
                convert = action.type if callable(action.type) else str
                action.type = ListItems(convert, action.choices, keep_spaces=action.dest in KEPT_WHOLE)  # type: ignore[arg-type]
                action.choices = None
        arrange(self, list(self.dataclass_types))
        if self.usage is None:
            self.usage = short_usage(self)

    def parse(self, argv: Sequence[str], *, ignore: Iterable[str] = ()) -> tuple[Any, ...]:
        """Parse `argv` into one instance per dataclass.

        Args:
            argv (`Sequence[str]`): the command line without the program's name.
            ignore (`Iterable[str]`, *optional*): recipe keys that belong to somebody else and are not an error.

        Returns:
            `tuple`: one dataclass instance per type, in the order given to the constructor.
        """
        words = self._words_first(list(argv))
        self._refuse_unknown(words)
        config = config_of(words, self.prog)
        if config is not None:
            try:
                recipe = load_recipe(config)
            except (OSError, ValueError) as error:
                self.error(" ".join(str(error).split()))
            self._take_defaults(config, {key: value for key, value in recipe.items() if key not in set(ignore)})
        namespace, rest = self.parse_known_args(words)
        if rest:
            self._take_rest(namespace, rest)
        del namespace.config
        known = vars(namespace)
        outputs = []
        for dataclass_type in self.dataclass_types:
            names = {field for field, spec in dataclass_type.__dataclass_fields__.items() if spec.init}
            outputs.append(dataclass_type(**{name: known[name] for name in names if name in known}))
        return tuple(outputs)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and leave with status 2.

        Args:
            message (`str`): What is wrong.
        """
        self.exit(2, f"{self.prog}: error: {message}\n")

    def _add_dataclass_arguments(self, dtype: Any) -> None:
        self.register("action", None, StoreAction)
        super()._add_dataclass_arguments(dtype)

    def _withhold(self, flags: Mapping[str, str]) -> None:
        """Take away flags that would have no effect; whoever types one is told why."""
        for action in [action for action in self._actions if action.dest in flags]:
            for option in action.option_strings:
                del self._option_string_actions[option]
            self._remove_action(action)
            for group in self._action_groups:
                if action in group._group_actions:
                    group._group_actions.remove(action)
            self.renamed[action.dest] = flags[action.dest]

    def _make_positional(self, name: str) -> None:
        (flag,) = (action for action in self._actions if action.dest == name)
        for option in flag.option_strings:
            del self._option_string_actions[option]
        flag.option_strings = []
        flag.metavar = flag.metavar or name.upper()

    def _words_first(self, words: list[str]) -> list[str]:
        """Let the verb's own words stand behind a list that is written with commas: `--names a,b RUN RUN`."""
        if self.positional is None:
            return words
        first, others = [], []
        position = 0
        while position < len(words):
            others.append(words[position])
            action = self._option_string_actions.get(words[position])
            position += 1
            if action is None or action.nargs != "+" or "," not in "".join(words[position : position + 1]):
                continue
            others.append(words[position])
            position += 1
            while position < len(words) and not words[position].startswith("-"):
                first.append(words[position])
                position += 1
        return first + others

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        """Name the flag to type instead of one that there is not, without repeating a value: it may be a token."""
        for word in words:
            option = word.partition("=")[0]
            if not word.startswith("-") or option in self._option_string_actions or " " in option:
                continue
            if _NUMBER.fullmatch(word) or word in ("-", "--"):
                continue
            if _FLAG.fullmatch(option):
                instead = self._instead(option.lstrip("-").replace("-", "_"), "--")
                self.error(f"there is no flag {option}{instead}. `{self.prog} --help` lists all")
            self.error(f"a word that begins with - is no flag; `{self.prog} --help` lists the flags")

    def _take_rest(self, namespace: argparse.Namespace, rest: Sequence[str]) -> None:
        """Take the verb's own words that stand behind other flags."""
        if self.positional is None or any(word.startswith("-") for word in rest):
            count = "one word stands" if len(rest) == 1 else f"{len(rest)} words stand"
            self.error(f"{count} behind no flag that takes it; `{self.prog} --help` lists the flags")
        (action,) = (action for action in self._actions if action.dest == self.positional)
        action(self, namespace, [self._get_value(action, word) for word in rest])

    def _instead(self, name: str, dashes: str) -> str:
        """What to type instead of a flag that there is not."""
        if name in self.renamed:
            return f": {self.renamed[name]}"
        names = [action.dest for action in self._actions if action.dest != "help"]
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        return f"; the nearest is `{dashes}{near[0]}`" if near else ""

    def _take_defaults(self, config: str, recipe: dict[str, Any]) -> None:
        actions = {action.dest: action for action in self._actions if action.dest not in ("help", "config")}
        for key, value in recipe.items():
            if key not in actions:
                self.error(f"recipe {config}: `{key}` is not a flag of `{self.prog}`{self._instead(key, '')}")
            action = actions[key]
            try:
                default = _convert(action, value)
            except (TypeError, ValueError, argparse.ArgumentTypeError) as error:
                self.error(f"recipe {config}: {key}: {value!r} does not fit this flag ({error})")
            if action.choices is not None and default is not None and default not in action.choices:
                self.error(f"recipe {config}: {key}: {value!r} is none of {', '.join(map(str, action.choices))}")
            action.required = False
            # Both, because HfArgumentParser adds `--no_flag` twins whose own default would otherwise win.
            action.default = default
            self.set_defaults(**{key: default})


def _convert(action: argparse.Action, value: Any) -> Any:
    """Give a recipe's value the type that the same text on the command line would have."""
    if value is None:
        return None
    convert = action.type if callable(action.type) else str
    if isinstance(convert, ListItems):
        if isinstance(value, dict):
            raise ValueError("needed is a list, or a string such as `a,b`")
        return [item for part in (value if isinstance(value, list) else [value]) for item in convert(str(part))]
    if isinstance(value, dict | list):
        return value if action.type is dict else convert(json.dumps(value))
    return convert(str(value))
