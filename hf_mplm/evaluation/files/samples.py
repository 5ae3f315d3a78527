"""Some text of a language, to tell its script: read whatever faults the file may have, which are told later."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from .opening import plain_name, read_head
from .tables import head_rows


__all__ = ["sample_text"]

# Lines or values that tell the script.
SAMPLE = 200


def sample_text(path: Path, columns: Sequence[str] = (), position: int | None = None) -> str:
    """Read some text out of a file.

    Args:
        path (`Path`): A TSV, CSV, JSON, JSON-lines or Parquet file, or one of plain lines or of tagged words.
        columns (`Sequence[str]`, *optional*): What the columns or keys that hold text may be called.
        position (`int`, *optional*): The number of the field that holds text, where no header names it. By default
            the longest field of each line is taken.

    Returns:
        `str`: The text; empty if there is none.
    """
    suffix = Path(plain_name(path)).suffix.lower()
    if suffix == ".parquet":
        return "\n".join(
            text for row in head_rows(path, SAMPLE) for column in columns for text in _flat(row.get(column))
        )
    head = read_head(path)
    if suffix in (".json", ".jsonl"):
        return "\n".join(islice(_json_values(head, columns), SAMPLE))
    # The last line may be cut, and the first may be a header.
    filled = (line.rstrip("\r") for line in head.split("\n") if line.strip())
    lines = list(islice(filled, SAMPLE + 1))
    delimiter = "\t" if any("\t" in line for line in lines[:1]) else "," if suffix == ".csv" else None
    rows = [line.split(delimiter) if delimiter else [line] for line in lines]
    if rows and (named := [rows[0].index(column) for column in columns if column in rows[0]]):
        position, rows = named[0], rows[1:]
    return "\n".join(_field(row, position) for row in rows)


def _field(row: Sequence[str], position: int | None) -> str:
    if len(row) == 1:
        return row[0]
    if position is not None and -len(row) <= position < len(row):
        return row[position]
    return max(row, key=len)


def _json_values(text: str, keys: Sequence[str]) -> Any:
    """The strings under keys of this name, at any depth, without parsing what is around them."""
    decoder = json.JSONDecoder()
    for match in re.finditer(rf'"(?:{"|".join(map(re.escape, keys))})"\s*:\s*(?=["\[])', text):
        try:
            value, _ = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            continue
        yield from _flat(value)


def _flat(value: Any) -> list[str]:
    if isinstance(value, list):
        return [item for item in value if isinstance(item, str)]
    return [value] if isinstance(value, str) else []
