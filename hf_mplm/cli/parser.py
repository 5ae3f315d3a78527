"""One parser for every verb: dataclass fields are flags, recipe keys are flags, flags win over recipes."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from transformers import HfArgumentParser

from hf_mplm.recipes import list_recipes, load_recipe


__all__ = ["MplmArgumentParser"]

# argparse expands `%(name)s` in help texts; any other percent sign of an inherited help text would raise there.
_LONE_PERCENT = re.compile(r"(?<!%)%(?![(%])")


class MplmArgumentParser(HfArgumentParser):
    """Parse dataclasses from flags and from a recipe.

    `--config` takes the name of a recipe of the package or a YAML file. Its keys are flags, its values become the
    flags' defaults, so that precedence is: command line, recipe, dataclass default.

    Args:
        dataclass_types (dataclass type or a sequence of them): what to fill; a class attribute
            `_argument_group_name` becomes its heading in `--help`.
        **kwargs: passed to `argparse.ArgumentParser`.
    """

    def __init__(self, dataclass_types: Any, **kwargs: Any) -> None:
        # Abbreviated flags would make adding a flag a breaking change.
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(dataclass_types, **kwargs)
        self.add_argument(
            "--config",
            metavar="NAME_OR_YAML",
            help=f"a recipe of the package ({', '.join(list_recipes())}) or a YAML file; its keys are these flags",
        )
        for action in self._actions:
            if action.help:
                action.help = _LONE_PERCENT.sub("%%", action.help)

    def parse(self, argv: Sequence[str], *, ignore: Iterable[str] = ()) -> tuple[Any, ...]:
        """Parse `argv` into one instance per dataclass.

        Args:
            argv (`Sequence[str]`): the command line without the program's name.
            ignore (`Iterable[str]`, *optional*): recipe keys that belong to somebody else and are not an error.

        Returns:
            `tuple`: one dataclass instance per type, in the order given to the constructor.
        """
        finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        finder.add_argument("--config")
        config = finder.parse_known_args(list(argv))[0].config
        if config is not None:
            try:
                recipe = load_recipe(config)
            except (FileNotFoundError, ValueError) as error:
                self.error(str(error))
            self._take_defaults(config, {key: value for key, value in recipe.items() if key not in set(ignore)})
        namespace = self.parse_args(list(argv))
        del namespace.config
        known = vars(namespace)
        outputs = []
        for dataclass_type in self.dataclass_types:
            names = {field for field, spec in dataclass_type.__dataclass_fields__.items() if spec.init}
            outputs.append(dataclass_type(**{name: known[name] for name in names if name in known}))
        return tuple(outputs)

    def _take_defaults(self, config: str, recipe: dict[str, Any]) -> None:
        actions = {action.dest: action for action in self._actions if action.dest not in ("help", "config")}
        for key, value in recipe.items():
            if key not in actions:
                near = difflib.get_close_matches(key, actions, n=1, cutoff=0.5)
                hint = f"; the nearest is `{near[0]}`" if near else ""
                self.error(f"recipe {config}: `{key}` is not a flag of `{self.prog}`{hint}")
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
    if action.nargs in ("+", "*"):
        values = value if isinstance(value, list) else [value]
        return [convert(str(item)) for item in values]
    if isinstance(value, dict | list):
        return value if action.type is dict else convert(json.dumps(value))
    return convert(str(value))
