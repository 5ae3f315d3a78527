"""What a file's name says of its content: kinds that are read, compressions, and why another one is not read."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple


__all__ = ["READABLE", "Format", "compression_of", "format_of", "why_unread"]

_KINDS = {
    ".txt": "text",
    ".text": "text",
    ".tsv": "verses",
    ".csv": "table",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
}
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".lzma": "xz", ".zst": "zstd", ".zstd": "zstd"}
_ARCHIVES = (".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".7z", ".rar")
_LIKE_TEXT = {
    ".arrow": "Arrow is not read; save it with `datasets` as Parquet",
    ".feather": "Feather is not read; save it as Parquet",
    ".xml": "XML is not read; write its sentences as CODE.txt",
    ".vert": "a vertical corpus is not read; write its sentences as CODE.txt",
    ".conllu": "treebanks are not read as a corpus; write their sentences as CODE.txt",
    ".xlsx": "spreadsheets are not read; save it as CSV",
    ".xls": "spreadsheets are not read; save it as CSV",
}

READABLE = (
    "swh_Latn.txt (one sentence a line), swh_Latn.tsv (id, tab, sentence), *.jsonl, *.json, *.csv and *.tsv with a "
    "line of column names, all of them also as .gz, .bz2, .xz or .zst, or *.parquet"
)


class Format(NamedTuple):
    """What a file is by its name.

    Args:
        kind (`str`): `text`, `verses`, `table`, `jsonl`, `json` (lines or an array) or `parquet`.
        compression (`str`, *optional*): `gzip`, `bzip2`, `xz` or `zstd`.
    """

    kind: str
    compression: str | None


def compression_of(name: str) -> str | None:
    """What a file is compressed with, by its name, whose case does not matter."""
    return _COMPRESSIONS.get(PurePath(name).suffix.lower())


def format_of(name: str) -> Format | None:
    """Kind and compression of a file, by its name; None if it is none that is read."""
    compression = compression_of(name)
    inner = PurePath(name).stem if compression else name
    kind = _KINDS.get(PurePath(inner).suffix.lower())
    # Parquet compresses its columns itself, and cannot be read from its end through a stream.
    return None if kind is None or (kind == "parquet" and compression) else Format(kind, compression)


def why_unread(name: str) -> str:
    """Why a file of this name is not read."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes[-2:]]
    if any(suffix in _ARCHIVES for suffix in suffixes):
        return "an archive; unpack it"
    if suffixes[:1] == [".parquet"]:
        return "compressed Parquet; unpack it"
    last = suffixes[-1] if suffixes else ""
    return _LIKE_TEXT.get(last, f"no kind of file that is read ({last or 'without a suffix'})")
