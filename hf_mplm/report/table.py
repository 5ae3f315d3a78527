"""Tables as text: the one printer of every table that is shown on a screen, in Markdown or in LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from hf_mplm._lists import as_list


__all__ = ["format_cell", "latex_escape", "markdown_code", "markdown_escape", "markdown_table", "text_table"]

MISSING = "–"
# What would end a cell, open a tag, a link, a formula or emphasis. Underscores within words are none of these.
_MARKDOWN = re.compile(r"[\\`*\[\]|$~]|(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "–": "--",
}


def format_cell(value: Any) -> str:
    """Write a value as every table does: floats with three digits, `None` as a dash.

    Args:
        value (`Any`): What stands in a cell.

    Returns:
        `str`: Its text, in one line.
    """
    if value is None:
        return MISSING
    if isinstance(value, float):
        # Adding zero makes -0.0 a 0.0.
        return f"{round(value, 3) + 0.0:.3f}"
    return _one_line(str(value))


def markdown_escape(text: str) -> str:
    """Write a name so that Markdown shows it as it is: no cell ends, no tag, link, code or formula begins.

    Args:
        text (`str`): What somebody called a model, a task or a run.

    Returns:
        `str`: One line of Markdown.
    """
    escaped = _TAG.sub("&lt;", _ENTITY.sub("&amp;", _one_line(text)))
    escaped = _MARKDOWN.sub(lambda found: f"\\{found.group()}", escaped)
    # At the start of a line a > is a quotation, a # a heading, and +, - and 1. are items of a list.
    return re.sub(r"^(\d+(?=[.)]))?([>#+.)-])(?=\s|#|>|$)", r"\1\\\2", escaped)


def markdown_code(text: str) -> str:
    """Write a name as code in a line of Markdown, whatever backticks are in it.

    Args:
        text (`str`): What somebody called a model, a task or a run.

    Returns:
        `str`: The name between as many backticks as it needs.
    """
    line = _one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}"


def latex_escape(text: str) -> str:
    r"""Write a name so that LaTeX prints it as it is; an arrow `->` becomes `$\to$`.

    Args:
        text (`str`): What somebody called a model, a task or a run.

    Returns:
        `str`: One line of LaTeX.
    """
    parts = _one_line(text).split("->")
    return r"$\to$".join("".join(_LATEX.get(letter, letter) for letter in part) for part in parts)


def markdown_table(header: str | Sequence[str], rows: Iterable[Sequence[Any]], *, aligned: bool = True) -> str:
    """A GitHub-flavoured Markdown table, aligned so that it also reads well on a terminal.

    Args:
        header (`str` or `Sequence[str]`): Names of the columns.
        rows (`Iterable[Sequence]`): Cells, see [`format_cell`]; names in them are escaped.
        aligned (`bool`, *optional*, defaults to `True`): Fill the columns up with spaces. Without them a number that
            changes, changes one line of a file under version control.

    Returns:
        `str`: The table, without a line feed at its end.
    """
    header = as_list(header, keep_spaces=True)
    cells = [[markdown_escape(format_cell(value)) for value in row] for row in [header, *rows]]
    widths = [max(3, *(_width(row[column]) for row in cells)) if aligned else 1 for column in range(len(header))]
    lines = [f"| {' | '.join(_pad(row, widths))} |" for row in cells]
    lines.insert(1, "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""]))
    return "\n".join(lines)


def text_table(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Columns for a terminal alone: the first one to the left, numbers to the right.

    Args:
        rows (`Sequence[Sequence]`): Header and cells, see [`format_cell`].

    Returns:
        `list[str]`: A line each.
    """
    cells = [[format_cell(value) for value in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells)]
    return ["  ".join(_pad(row, widths)) for row in cells]


def _pad(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    spaces = [" " * (width - _width(cell)) for cell, width in zip(row, widths)]
    return [
        f"{cell}{space}" if not column else f"{space}{cell}" for column, (cell, space) in enumerate(zip(row, spaces))
    ]


def _width(text: str) -> int:
    """Columns that a text takes on a terminal: two for a Chinese character, none for a combining accent."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(bool(unicodedata.combining(letter)) for letter in text)


def _one_line(text: str) -> str:
    """Spaces for line feeds and tabs, and visible signs for other control characters: an escape moves cursors."""
    spaced = " ".join(text.split())
    return "".join(f"\\x{ord(letter):02x}" if unicodedata.category(letter) == "Cc" else letter for letter in spaced)
