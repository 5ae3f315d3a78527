"""Lists as a command line and a recipe give them: `a b`, `a,b`, a YAML list or a string, all the same."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from hf_mplm._lists import split_list


__all__ = ["KEPT_WHOLE", "ListItems", "StoreAction"]

#: Lists of paths and of labels, which may hold spaces; a path that exists may hold a comma, too.
KEPT_WHOLE = frozenset({"corpus", "folder_and_repository", "names", "results", "runs"})


class ListItems:
    """The `type` of a flag that takes a list: one word of the command line to all items in it.

    Args:
        convert (`Callable`): What turns an item into its value.
        choices (`Sequence`, *optional*): The values that are allowed.
        keep_spaces (`bool`, *optional*, defaults to `False`): See [`split_list`].
    """

    def __init__(
        self, convert: Callable[[str], Any], choices: Sequence[Any] | None = None, *, keep_spaces: bool = False
    ) -> None:
        self.convert = convert
        self.choices = choices
        self.keep_spaces = keep_spaces

    def __call__(self, text: str) -> list[Any]:
        """Split and convert."""
        items = split_list(text, keep_spaces=self.keep_spaces)
        if not items:
            raise argparse.ArgumentTypeError("nothing is given: needed is one item or several, such as `a b` or `a,b`")
        values = []
        for item in items:
            try:
                value = self.convert(item)
            except ValueError as error:
                kind = getattr(self.convert, "__name__", "value")
                raise argparse.ArgumentTypeError(f"{item!r} is no {kind}") from error
            if self.choices is not None and value not in self.choices:
                raise argparse.ArgumentTypeError(f"{item!r} is none of {', '.join(map(str, self.choices))}")
            values.append(value)
        return values


class StoreAction(argparse.Action):
    """Store a value; a list that is given twice, `--corpus a --corpus b`, is one list."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store."""
        if isinstance(values, list):
            values = [item for part in values for item in (part if isinstance(part, list) else [part])]
            before = getattr(namespace, self.dest, None)
            # The default is what stands there until the flag is met for the first time.
            if isinstance(before, list) and before is not self.default:
                values = before + values
        setattr(namespace, self.dest, values)
