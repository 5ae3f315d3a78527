"""Parquet: which columns are text, what the numbers of a label column stand for, and rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hf_mplm.jobs.files import parse_json

from .options import ReadOptions
from .quoting import list_some, shorten
from .segments import Places, Segment


__all__ = ["label_name", "need_column", "parquet_rows", "sample_parquet"]

_ROWS = 1000
_SAMPLE_ROWS = 20


def need_column(columns: Collection[str], options: ReadOptions) -> None:
    """Raise `ValueError` if the column of the text is not there."""
    if options.text_column not in columns:
        raise ValueError(
            f"there is no column {options.text_column!r} among {list_some(sorted(columns))}; name the one that holds "
            "the text with --text_column"
        )


def sample_parquet(path: Path, options: ReadOptions) -> tuple[frozenset[str], str]:
    """The columns of a file, and some of its text.

    Raises:
        ValueError: if the columns of text and language are not there, are there twice, or hold something else.
    """
    with pq.ParquetFile(path) as table:
        schema = table.schema_arrow
        if table.metadata.num_rows != sum(
            table.metadata.row_group(i).num_rows for i in range(table.metadata.num_row_groups)
        ):
            raise pa.ArrowInvalid("it holds another number of rows than it says")
        need_column(set(schema.names), options)
        for column in (options.text_column, options.language_column):
            if Counter(schema.names)[column] > 1:
                raise ValueError(f"it has several columns {column!r}, of which only one can be meant")
        _need_strings(schema, options.text_column, "--text_column")
        if options.language_column in schema.names and _label_names(schema, options.language_column) is None:
            _need_strings(schema, options.language_column, "--language_column")
        first = next(table.iter_batches(batch_size=_SAMPLE_ROWS, columns=[options.text_column]), None)
        values = [] if first is None else _strings(first.column(0))
    text = b"\n".join(value for value in values if isinstance(value, bytes)).decode("utf-8", errors="ignore")
    return frozenset(schema.names), text


def parquet_rows(
    segment: Segment, options: ReadOptions, places: Places, extra: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Rows of a row group. Strings come as bytes, so that one that is not UTF-8 is one row."""
    # Writers that add sums of their pages let damage be seen.
    with pq.ParquetFile(segment.file.path, page_checksum_verification=True) as table:
        schema = table.schema_arrow
        places.line = sum(table.metadata.row_group(i).num_rows for i in range(segment.start))
        columns = [name for name in (options.text_column, options.language_column, *extra) if name in schema.names]
        labels = _label_names(schema, options.language_column)
        groups = list(range(segment.start, segment.stop))
        for batch in table.iter_batches(batch_size=_ROWS, row_groups=groups, columns=columns):
            values = {name: _strings(batch.column(name)) for name in columns}
            if labels is not None:
                values[options.language_column] = [label_name(v, labels) for v in values[options.language_column]]
            for i in range(batch.num_rows):
                places.line += 1
                yield {name: column[i] for name, column in values.items()}
        if places.line != sum(table.metadata.row_group(i).num_rows for i in range(segment.stop)):
            raise pa.ArrowInvalid("it holds another number of rows than it says")


def label_name(value: Any, names: Sequence[str] | None) -> Any:
    """The name of a label of `datasets`, where -1 stands for none; what is no label stays as it is."""
    if names is None or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None


def _label_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a column that `datasets` wrote as ClassLabel, whose values are numbers."""
    if column not in schema.names or not pa.types.is_integer(schema.field(column).type):
        return None
    try:
        feature = parse_json((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        names = feature["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _need_strings(schema: pa.Schema, column: str, flag: str) -> None:
    kind = schema.field(column).type
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (_is_string(inner) or _is_binary(inner) or pa.types.is_null(inner)):
        raise ValueError(
            f"its column {column!r} holds {shorten(kind)}, needed are strings; name another one with {flag}"
        )


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _strings(column: pa.Array) -> list[Any]:
    """The values of a column, strings as bytes."""
    column.validate(full=pa.types.is_dictionary(column.type) and not _is_string(column.type.value_type))
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_string(column.type):
        column = column.cast(pa.large_binary())
    return list(column.to_pylist())
