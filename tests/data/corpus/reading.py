"""What the tests of corpora share: writing files, and reading them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from hf_mplm.data.corpus.corpora import CorpusReport, iter_corpus


def read(source: Path, **options: Any) -> tuple[list[tuple[str, str]], CorpusReport]:
    report = CorpusReport()
    return [(row["language"], row["text"]) for row in iter_corpus(source, report=report, **options)], report


def put(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()
