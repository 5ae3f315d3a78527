"""A self-contained HTML page: headings, paragraphs, tables and figures in one file that opens anywhere, offline."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any


__all__ = ["Page", "markdown_table"]


class Page:
    """An HTML page that is written once and needs no other file.

    Args:
        title (`str`): the page's title and first heading.

    Example:

        >>> page = Page("Two runs").paragraph("Fractions.").table(["run", "f1"], [["a", 0.5]])
        >>> "<td>0.500</td>" in page.html()
        True
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str) -> Page:
        """Add a section heading."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")
        return self

    def paragraph(self, text: str) -> Page:
        """Add a paragraph of plain text; what stands between backticks is set as code."""
        self._parts.append(f"<p>{_inline(text)}</p>")
        return self

    def code(self, text: str) -> Page:
        """Add a block of commands or output."""
        self._parts.append(f"<pre>{html.escape(text)}</pre>")
        return self

    def table(self, header: Sequence[str], rows: Iterable[Sequence[Any]], best: str | None = None) -> Page:
        """Add a table.

        Args:
            header (`Sequence[str]`): column names.
            rows (`Iterable[Sequence]`): cells; floats are printed with three digits, `None` as a dash.
            best (`"max"` or `"min"`, *optional*): print the best number of each column in bold.
        """
        rows = [list(row) for row in rows]
        chosen = [_best(column, best) for column in zip(*rows)] if rows else []
        cells = []
        for row in rows:
            marked = "".join(_cell(value, bold=value is not None and value == top) for value, top in zip(row, chosen))
            cells.append(f"<tr>{marked}</tr>")
        head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
        self._parts.append(
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(cells)}</tbody></table></div>'
        )
        return self

    def figure(self, svg: bytes, caption: str) -> Page:
        """Add a picture, embedded as SVG; the caption also serves readers who cannot see it."""
        source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
        text = html.escape(caption)
        self._parts.append(f'<figure><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>')
        return self

    def html(self) -> str:
        """The whole page."""
        style = (resources.files(__package__) / "page.css").read_text(encoding="utf-8")
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self.title)}</title><style>{style}</style></head>\n<body>\n"
            + "\n".join(self._parts)
            + "\n</body></html>\n"
        )

    def write(self, path: str | Path) -> Path:
        """Write the page and return its path."""
        path = Path(path)
        path.write_text(self.html(), encoding="utf-8")
        return path


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A GitHub-flavoured Markdown table, aligned so that it also reads well on a terminal."""
    cells = [[str(name) for name in header], *([_plain(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for index, row in enumerate(cells):
        padded = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        lines.append(f"| {' | '.join(padded)} |")
        if index == 0:
            lines.append("|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""]))
    return "\n".join(lines)


def _best(column: Sequence[Any], best: str | None) -> float | None:
    numbers = [value for value in column if isinstance(value, float)]
    if best is None or not numbers:
        return None
    return max(numbers) if best == "max" else min(numbers)


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _cell(value: Any, bold: bool) -> str:
    mark = ' class="best"' if bold else ""
    return f"<td{mark}>{html.escape(_plain(value))}</td>"


def _inline(text: str) -> str:
    pieces = html.escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))
