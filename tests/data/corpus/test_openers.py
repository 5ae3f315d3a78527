from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_mplm.data.corpus.openers import open_binary
from hf_mplm.jobs.files import DamagedError

from .reading import put, read, zstd


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zst": zstd,
}
LINES = [f"Watu wote wamezaliwa huru {i} {i * 2654435761 % 2**32}" for i in range(3000)]


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_what_is_compressed_is_read_in_every_format(suffix: str, tmp_path: Path) -> None:
    compress = COMPRESSORS[suffix]
    put(tmp_path / "text", f"swh_Latn.TXT.{suffix.upper()}", compress("\n".join(LINES).encode()))
    rows = "\n".join(json.dumps({"text": line, "language": "sw"}) for line in LINES)
    put(tmp_path / "jsonl", f"rows.jsonl.{suffix}", compress(rows.encode()))
    put(tmp_path / "json", f"en/c4-train.00000.json.{suffix}", compress(rows.replace('"sw"', '"en"').encode()))
    table = "\n".join(["text,language", *(f"{line},sw" for line in LINES)])
    put(tmp_path / "csv", f"rows.csv.{suffix}", compress(table.encode()))
    for kind in ("text", "jsonl", "json", "csv"):
        code = "eng_Latn" if kind == "json" else "swh_Latn"
        assert read(tmp_path / kind)[0] == [(code, line) for line in LINES], kind


@pytest.mark.parametrize("suffix", [suffix for suffix in COMPRESSORS if suffix != "lzma"])
def test_all_streams_are_read_and_damage_of_a_later_one_is_seen(suffix: str, tmp_path: Path) -> None:
    compress = COMPRESSORS[suffix]
    first, second = compress(b"moja\n" * 500), compress(b"mbili\n" * 500)
    path = put(tmp_path, f"swh_Latn.txt.{suffix}", first + second)
    assert [text for _, text in read(tmp_path)[0]] == ["moja"] * 500 + ["mbili"] * 500
    # The head of the second stream: what Python's own bz2 and lzma take for padding, and leave out without a word.
    for broken in (first + bytes([second[0] ^ 0x10]) + second[1:], first + b"garbage", first + second[:-4]):
        path.write_bytes(broken)
        with pytest.raises(DamagedError, match=rf"^damaged: .*swh_Latn\.txt\.{suffix}: it cannot be read to its end"):
            read(tmp_path)
    path.write_bytes(compress(b""))
    assert open_binary(path).read() == b""


def test_pythons_own_reader_would_lose_the_second_stream(tmp_path: Path) -> None:
    second = bytearray(lzma.compress(b"mbili\n"))
    second[0] ^= 0x10
    path = put(tmp_path, "swh_Latn.txt.xz", lzma.compress(b"moja\n") + bytes(second))
    with lzma.open(path) as handle:
        assert handle.read() == b"moja\n"


@pytest.mark.parametrize("suffix", [*COMPRESSORS, "parquet"])
def test_damage_of_any_kind_is_one_error_with_the_files_name(suffix: str, tmp_path: Path) -> None:
    if suffix == "parquet":
        table = pa.table({"text": LINES, "language": ["swh_Latn"] * len(LINES)})
        whole = put(tmp_path, "whole", b"")
        pq.write_table(table, whole, compression="snappy", write_page_checksum=True)
        data, name = whole.read_bytes(), "rows.parquet"
        whole.unlink()
    else:
        data, name = COMPRESSORS[suffix]("\n".join(LINES).encode()), f"swh_Latn.txt.{suffix}"
    draw = random.Random(suffix)
    told = 0
    for _ in range(30):
        broken = bytearray(data)
        if draw.random() < 0.5:
            del broken[draw.randrange(1, len(broken)) :]
        else:
            for _ in range(draw.choice((1, 10))):
                broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
        put(tmp_path, name, bytes(broken))
        try:
            read(tmp_path)
        except (ValueError, OSError) as error:
            assert name in str(error)
            told += isinstance(error, DamagedError)
    assert told > 12


def test_the_error_comes_whole_out_of_a_process(tmp_path: Path) -> None:
    error = DamagedError(tmp_path / "a.gz", "it is cut short", "Fetch it again.")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.path == error.path and again.what == error.what


def test_a_file_is_named_by_what_it_is_and_not_by_its_suffix(tmp_path: Path) -> None:
    put(tmp_path, "swh_Latn.txt", gzip.compress(b"moja\n"))
    with pytest.raises(ValueError, match="this is gzip and not text; give it a name that ends in .gz"):
        read(tmp_path)
    put(tmp_path / "other", "swh_Latn.txt.gz", b"moja\n")
    with pytest.raises(DamagedError, match="Not a gzipped file"):
        read(tmp_path / "other")
