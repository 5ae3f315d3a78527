"""Parquet, as the Hub writes it, with the names of its labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .opening import damaged
from .reads import note_read


__all__ = ["head_rows", "list_class_names", "read_rows"]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a Parquet file, numbers of single labels replaced by their names.

    Args:
        path (`Path`): The file.

    Returns:
        `list[dict]`: Column to value, a row each. -1, which the Hub writes for a withheld label, stays.

    Raises:
        DataError: If it cannot be read.
    """
    import pyarrow.parquet as pq

    if not path.is_file():
        raise damaged(path, "it is no file")
    note_read(path)
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        names = _class_names(table.schema.metadata or {}, nested=False)
        rows: list[dict[str, Any]] = table.to_pylist()
    # What pyarrow raises for foreign bytes is of many kinds (ArrowInvalid, OSError, UnicodeDecodeError, ...).
    except Exception as error:
        raise damaged(path, f"it is not whole Parquet ({_first_line(error)})") from error
    for row in rows:
        for column, classes in names.items():
            value = row.get(column)
            if isinstance(value, int) and 0 <= value < len(classes):
                row[column] = classes[value]
    return rows


def head_rows(path: Path, number: int = 100) -> Iterator[dict[str, Any]]:
    """Read the first rows of a Parquet file, none if it is damaged.

    Args:
        path (`Path`): The file.
        number (`int`, *optional*, defaults to 100): The most rows.

    Yields:
        `dict`: Column to value.
    """
    import pyarrow.parquet as pq

    try:
        rows = next(pq.ParquetFile(path).iter_batches(batch_size=number)).to_pylist() if path.is_file() else []
    except Exception:  # noqa: BLE001 - whatever is wrong is told when the file is read whole
        rows = []
    yield from rows


def list_class_names(path: Path) -> Mapping[str, list[str]]:
    """Read the names of labels in lists, which `datasets` keeps in the schema of its Parquet files.

    Args:
        path (`Path`): A Parquet file.

    Returns:
        `Mapping[str, list[str]]`: Names of the labels of each column that has any.

    Raises:
        DataError: If it cannot be read.
    """
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        return _class_names(metadata, nested=True)
    except Exception as error:
        raise damaged(path, f"it is not whole Parquet ({_first_line(error)})") from error


def _class_names(metadata: Mapping[bytes, bytes], *, nested: bool) -> dict[str, list[str]]:
    if b"huggingface" not in metadata:
        return {}
    features = json.loads(metadata[b"huggingface"]).get("info", {}).get("features", {})
    found = {}
    for column, feature in features.items():
        if nested:
            # `datasets` 3 wrote a list with one feature in it where 4 writes a List.
            feature = feature[0] if isinstance(feature, list) and feature else feature
            feature = feature.get("feature", feature) if isinstance(feature, dict) else {}
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and "names" in feature:
            found[column] = [str(name) for name in feature["names"]]
    return found


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).split("\n")[0][:200]
