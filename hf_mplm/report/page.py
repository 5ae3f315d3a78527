"""A self-contained HTML page: headings, paragraphs, tables and figures in one file that opens anywhere, offline."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from hf_mplm._lists import as_list

from .table import format_cell


__all__ = ["Page"]


class Page:
    """An HTML page that is written once and needs no other file. Whatever it is given is text and never markup.

    Args:
        title (`str`): the page's title and first heading.

    Example:

        >>> page = Page("Two runs").paragraph("Fractions.").table(["run", "f1"], [["a", 0.5]])
        >>> "<td>0.500</td>" in page.html()
        True
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[dict[str, Any]] = []

    def heading(self, text: str) -> Page:
        """Add a section heading."""
        return self._add("heading", text=text)

    def paragraph(self, text: str) -> Page:
        """Add a paragraph of plain text; what stands between backticks is set as code."""
        return self._add("paragraph", pieces=text.split("`"))

    def code(self, text: str) -> Page:
        """Add a block of commands or output."""
        return self._add("code", text=text)

    def table(self, header: str | Sequence[str], rows: Iterable[Sequence[Any]], best: str | None = None) -> Page:
        """Add a table.

        Args:
            header (`str` or `Sequence[str]`): column names.
            rows (`Iterable[Sequence]`): cells; floats are printed with three digits, `None` as a dash.
            best (`"max"` or `"min"`, *optional*): print the best number of each column in bold.
        """
        rows = [list(row) for row in rows]
        chosen = [_best(column, best) for column in zip(*rows)] if rows else []
        cells = [
            [
                {"text": format_cell(value), "best": value is not None and value == top}
                for value, top in zip(row, chosen)
            ]
            for row in rows
        ]
        return self._add("table", header=as_list(header, keep_spaces=True), rows=cells)

    def figure(self, svg: bytes, caption: str) -> Page:
        """Add a picture, embedded as SVG; the caption also serves readers who cannot see it."""
        return self._add("figure", source=base64.b64encode(svg).decode("ascii"), caption=caption)

    def data(self, name: str, value: Any) -> Page:
        """Add numbers and names for a script, as JSON in an element that shows nothing.

        Args:
            name (`str`): the element's id.
            value: what JSON holds.
        """
        # A browser ends a script at "</script" wherever it stands; the rest is for readers that take it for a comment.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return self._add("data", name=name, json=text.replace("<", "\\u003c").replace(">", "\\u003e"))

    def script(self, name: str) -> Page:
        """Add a script of the package, with an element of the same name before it that it fills.

        Args:
            name (`str`): such as `"language_map"`, of `language_map.js`.
        """
        return self._add("script", name=name, source=_resource(f"{name}.js"), style=_resource(f"{name}.css"))

    def html(self) -> str:
        """The whole page."""
        # Here, because a table on a screen needs no template.
        from jinja2 import Environment, StrictUndefined

        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        template = environment.from_string(_resource("page.html"))
        return template.render(title=self.title, style=_resource("page.css"), parts=self._parts)

    def write(self, path: str | Path) -> Path:
        """Write the page and return its path."""
        path = Path(path)
        # A name from a foreign table may hold a lone surrogate, which no file can.
        path.write_text(self.html(), encoding="utf-8", errors="backslashreplace")
        return path

    def _add(self, kind: str, **contents: Any) -> Page:
        self._parts.append({"kind": kind, **contents})
        return self


def _best(column: Sequence[Any], best: str | None) -> float | None:
    numbers = [value for value in column if isinstance(value, float)]
    if best is None or not numbers:
        return None
    return max(numbers) if best == "max" else min(numbers)


def _resource(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
