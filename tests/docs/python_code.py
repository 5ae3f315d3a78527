"""Runs the Python of a page, and holds what its comments say comes out against what comes out.

The rule by which a block becomes the one that runs, and there is no other: numbers of `SMALLER` take the place of
those of the same arguments, and `bf16=True` is left out. A list in a comment that ends in `...` says how the value
begins.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

from .following import blocks


SMALLER = {
    r"\bmax_steps=[\d_]+": "max_steps=2, save_steps=2, use_cpu=True, disable_tqdm=True",
    r"\bvocab_size=[\d_]+": "vocab_size=600",
    r"\bper_device_train_batch_size=\d+": "per_device_train_batch_size=4",
    r"\bcomponents=\d+": "components=8",
    r", bf16=True": "",
}
NOTHING = object()


def run_python(page: Path, names: dict[str, Any]) -> int:
    """Run the Python blocks of a page in their order, in one space of names.

    Args:
        page (`Path`): Markdown.
        names (`dict[str, Any]`): what the page takes as given.

    Returns:
        `int`: values and errors in comments that were compared.

    Raises:
        AssertionError: where a comment says another value.
    """
    space: dict[str, Any] = {"__name__": "__main__", **names}
    compared = 0
    for language, block in blocks(page):
        if language == "python":
            compared += _run_block(page, _smaller(block), space)
    return compared


def _smaller(block: str) -> str:
    for pattern, text in SMALLER.items():
        block = re.sub(pattern, text, block)
    return block


def _run_block(page: Path, block: str, space: dict[str, Any]) -> int:
    lines, compared = block.splitlines(), 0
    for statement in ast.parse(block).body:
        comment = _comment_of(lines, statement)
        error = re.match(r"(\w+Error):", comment)
        where = f"{page.name}: {lines[statement.lineno - 1].strip()}"
        if error:
            try:
                exec(compile(ast.Module([statement], []), where, "exec"), space)
            except Exception as raised:
                named = [kind.__name__ for kind in type(raised).__mro__]
                assert error[1] in named, f"{where} raises {raised!r}"
                compared += 1
                continue
            raise AssertionError(f"{where} raises nothing")
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), where, "exec"), space)
            continue
        value = eval(compile(ast.Expression(statement.value), where, "eval"), space)
        expected = _literal(comment)
        if isinstance(expected, list) and expected[-1:] == [...]:
            expected, value = expected[:-1], value[: len(expected) - 1]
        if expected is not NOTHING:
            assert value == expected, f"{where} gives {value!r}, and the page says {expected!r}"
            compared += 1
        elif comment and comment.startswith(f"{type(value).__name__}("):
            assert repr(value) == comment, f"{where} gives {value!r}, and the page says {comment}"
            compared += 1
    return compared


def _comment_of(lines: list[str], statement: ast.stmt) -> str:
    """What follows a statement on its line, or stands alone on the next."""
    assert statement.end_lineno is not None
    rest = lines[statement.end_lineno - 1].encode()[statement.end_col_offset :].decode().strip()
    if not rest and statement.end_lineno < len(lines):
        rest = lines[statement.end_lineno].strip()
    return rest[1:].strip() if rest.startswith("#") else ""


def _literal(comment: str) -> Any:
    """The value that a comment begins with, if it begins with one."""
    for text in (comment, re.split(r"[:;] ", comment)[0]):
        try:
            return ast.literal_eval(text)
        except (SyntaxError, ValueError):
            continue
    return NOTHING


if __name__ == "__main__":
    run_python(Path(sys.argv[1]), {})
