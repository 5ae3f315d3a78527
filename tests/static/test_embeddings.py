from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save

from hf_mplm.cli.main import main
from hf_mplm.evaluation.files.records import DataError
from hf_mplm.jobs.digests import write_digests
from hf_mplm.jobs.files import DamagedError
from hf_mplm.static import vector_file
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.word2vec import read_word2vec, write_word2vec
from hf_mplm.static.word_table import WordTable


def make_table(language: str, words: list[str], width: int = 6, seed: int = 0) -> WordTable:
    vectors = np.random.default_rng(seed).normal(size=(len(words), width)).astype(np.float32)
    return WordTable(language, words, np.arange(len(words), 0, -1), vectors)


@pytest.fixture
def static() -> StaticEmbeddings:
    tables = [make_table("deu_Latn", ["haus", "hund", "katze"]), make_table("eng_Latn", ["house", "dog"], seed=1)]
    return StaticEmbeddings(tables, {"encoder": "mini", "layer": 6})


def test_a_folder_gives_back_what_was_written(static: StaticEmbeddings, tmp_path: Path) -> None:
    static.save_pretrained(tmp_path)
    again = StaticEmbeddings.from_pretrained(tmp_path)
    assert again.languages == ["deu_Latn", "eng_Latn"] and again.config == {"encoder": "mini", "layer": 6}
    for table in static.tables.values():
        same = again.table(table.language)
        assert (
            same.words == table.words and (same.vectors == table.vectors).all() and (same.counts == table.counts).all()
        )
    data = bytearray((tmp_path / "vectors.safetensors").read_bytes())
    data[-3] ^= 4
    (tmp_path / "vectors.safetensors").write_bytes(data)
    with pytest.raises(DamagedError, match="vectors.safetensors: its bytes are not those"):
        StaticEmbeddings.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="hf-mplm static map"):
        StaticEmbeddings.from_pretrained(tmp_path / "none")


@pytest.mark.parametrize("width", [1, 6, 0])
def test_vectors_are_written_in_blocks_as_safetensors_writes_them_at_once(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [np.random.default_rng(rows).normal(size=(rows, width)).astype(np.float32) for rows in (5, 0, 3, 4)]
    expected = save({"vectors": np.concatenate(tables)})
    monkeypatch.setattr(vector_file, "BLOCK_BYTES", 2 * 4 * width)
    written: list[bytes] = []
    handle = SimpleNamespace(write=lambda data: written.append(bytes(data)))
    vector_file.write_vectors(handle, tables)
    assert b"".join(written) == expected
    if width:
        assert len(written) == 1 + 3 + 2 + 2 and max(map(len, written[1:])) == 8 * width
    # Other layouts and kinds of number become the same.
    written.clear()
    vector_file.write_vectors(handle, [np.asfortranarray(table.astype(">f8")) for table in tables])
    assert b"".join(written) == expected


def test_writing_a_folder_takes_no_second_copy_of_the_vectors(tmp_path: Path) -> None:
    size = (20_000, 300)
    vectors = np.zeros(size, dtype=np.float32)
    static = StaticEmbeddings(
        [WordTable("eng_Latn", [f"w{row}" for row in range(size[0])], np.ones(size[0]), vectors)]
    )
    tracemalloc.start()
    try:
        static.save_pretrained(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < vectors.nbytes / 2
    assert (tmp_path / "vectors.safetensors").stat().st_size > vectors.nbytes


def test_reading_a_folder_takes_no_second_copy_of_the_vectors(tmp_path: Path) -> None:
    rows, width = 8_000, 300
    words = [f"w{row}" for row in range(rows)]
    made = [make_table(code, words, width, seed) for seed, code in enumerate(("deu_Latn", "eng_Latn", "swh_Latn"))]
    StaticEmbeddings(made).save_pretrained(tmp_path)
    tracemalloc.start()
    try:
        static = StaticEmbeddings.from_pretrained(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.6 * 3 * rows * width * 4
    for table in made:
        vectors = static.matrix(table.language)
        assert (vectors == table.vectors).all()
        # What maps them in place writes into them.
        assert vectors.flags.writeable and vectors.flags.c_contiguous and vectors.dtype == np.float32


def test_a_folder_whose_languages_are_mixed_is_read_by_rows(static: StaticEmbeddings, tmp_path: Path) -> None:
    static.save_pretrained(tmp_path)
    order = [0, 3, 1, 4, 2]
    path = tmp_path / "words.parquet"
    pq.write_table(pq.read_table(path).take(order), path)
    vectors = load_file(tmp_path / "vectors.safetensors")["vectors"]
    (tmp_path / "vectors.safetensors").write_bytes(save({"vectors": vectors[order]}))
    write_digests(tmp_path, ["config.json", "vectors.safetensors", "words.parquet"])
    again = StaticEmbeddings.from_pretrained(tmp_path)
    for table in static.tables.values():
        assert again.words(table.language) == table.words and (again.matrix(table.language) == table.vectors).all()


def test_nearest_equals_a_plain_loop(static: StaticEmbeddings) -> None:
    query = static.vector("haus", "de")

    def cosine(vector: np.ndarray) -> float:
        return float(vector @ query / np.linalg.norm(vector) / np.linalg.norm(query))

    english = static.table("eng_Latn")
    expected = sorted(
        ((word, cosine(english.vectors[i])) for i, word in enumerate(english.words)), key=lambda p: -p[1]
    )
    found = static.nearest("haus", "deu_Latn", in_language="eng_Latn")
    assert [word for word, _ in found] == [word for word, _ in expected]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected])
    assert {word for word, _ in static.nearest("haus", "deu_Latn")} == {"hund", "katze"}
    assert static.centroid("deu_Latn") == pytest.approx(static.table("deu_Latn").vectors.mean(0))
    with pytest.raises(KeyError, match="no word 'maus'"):
        static.vector("maus", "deu_Latn")
    with pytest.raises(KeyError, match="of swh_Latn; there are those of deu_Latn, eng_Latn"):
        static.table("swh_Latn")


def test_what_cannot_be_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="'a' stands there more than once"):
        make_table("deu_Latn", ["a", "b", "a"])
    with pytest.raises(ValueError, match="deu_Latn: the vector of 'b' holds what is no number"):
        WordTable("deu_Latn", ["a", "b"], np.zeros(2), np.array([[1.0], [np.nan]], dtype=np.float32))
    with pytest.raises(ValueError, match="unequal dimension: deu_Latn 6, eng_Latn 5"):
        StaticEmbeddings([make_table("deu_Latn", ["a"]), make_table("eng_Latn", ["a"], width=5)])
    with pytest.raises(ValueError, match="at least one language"):
        StaticEmbeddings([])


@pytest.mark.parametrize("binary", [False, True])
def test_word2vec_files_give_back_every_bit(tmp_path: Path, binary: bool) -> None:
    table = make_table("tur_Latn", ["ev", "ağaç", "ISTANBUL", "l'eau", "3.14"])
    path = tmp_path / ("a.bin" if binary else "a.vec")
    write_word2vec(table, path, binary=binary)
    again, report = read_word2vec(path, "tr")
    assert again.words == table.words and (again.vectors == table.vectors).all() and str(report) == ""
    assert read_word2vec(path, "tr", limit=2)[0].words == ["ev", "ağaç"]
    with pytest.raises(ValueError, match="'new york' holds white space"):
        write_word2vec(make_table("eng_Latn", ["new york"]), path, binary=binary)


def test_what_fasttext_and_others_write_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = ["8 2 ", "a 1 2 ", "b c 3 4", "a 5 6", "zero 0 0", "nan nan 1", "d 1e-3 -2", "\u00a0 1 1"]
    path = tmp_path / "wiki.vec"
    path.write_bytes("\n".join(lines).encode() + b"\n\xff 1 1\n")
    table, report = read_word2vec(path, "eng_Latn")
    assert table.words == ["a", "b c", "d", "\u00a0"] and table.vectors[1].tolist() == [3, 4]
    assert report == (1, 1, 1, 1) and "1 vectors of length zero" in caplog.text
    (tmp_path / "glove.txt").write_text("a 1 2 3\nb 4 5 6\n")
    assert read_word2vec(tmp_path / "glove.txt", "eng_Latn")[0].vectors.shape == (2, 3)


@pytest.mark.parametrize(
    "data, what",
    [
        (b"", "is empty"),
        (b"3 2\na 1 2\n", "has 1 vectors, 3 by its first line: it is cut short"),
        (b"3 4\na 1 2 3\nb 4 5 6\nc 7 8 9\n", r"vec:2 is no word with 4 numbers \(3 numbers\)"),
        (b"3 4 \na 1 2 3\nb 4 5 6\nc 7 8 9\n", r"vec:2 is no word with 4 numbers \(3 numbers\)"),
        (b"3 2\na 1 2 3 4\nb 1 2 3 4\nnew york 1 2 3 4\n", "vec:2 has 4 numbers, 2 by the first line"),
        (b"1 2\na 1 x\n", r"vec:2 is no word with 2 numbers"),
        (b"a 1 2\nb 1\n", r"vec:2 is no word with 2 numbers"),
        (b"1 1\nzero 0\n", "no word vector that can be used"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}", "is no word with"),
    ],
)
def test_other_files_are_told_with_the_line(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.vec").write_bytes(data)
    with pytest.raises(DataError, match=what):
        read_word2vec(tmp_path / "a.vec", "eng_Latn")


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
@pytest.mark.parametrize("binary", [False, True])
def test_compressed_files_are_read_as_the_files_within(tmp_path: Path, suffix: str, binary: bool) -> None:
    table = make_table("tur_Latn", ["ev", "ağaç", "ISTANBUL"], width=300)
    plain = tmp_path / ("a.bin" if binary else "a.vec")
    write_word2vec(table, plain, binary=binary)
    packed = plain.with_name(f"{plain.name}.{suffix}")
    if suffix == "zst":
        data = pa.compress(plain.read_bytes(), "zstd", asbytes=True)
    else:
        data = {"gz": gzip, "bz2": bz2, "xz": lzma}[suffix].compress(plain.read_bytes())
    packed.write_bytes(data)
    again, _ = read_word2vec(packed, "tr")
    assert again.words == table.words and (again.vectors == table.vectors).all()
    assert read_word2vec(packed, "tr", limit=1)[0].words == ["ev"]
    packed.write_bytes(data[: len(data) // 2])
    with pytest.raises(DamagedError, match=f"{packed.name}: it cannot be read to its end"):
        read_word2vec(packed, "tr")


def test_a_first_line_of_fewer_words_than_there_are_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.vec").write_text("2 2\na 1 2\nb 3 4\n1 2 5 6\n")
    table, _ = read_word2vec(tmp_path / "a.vec", "eng_Latn")
    # One row with a number before its numbers is a word with a blank.
    assert table.words == ["a", "b", "1 2"] and "a.vec has 3 vectors, 2 by its first line" in caplog.text
    vectors = [word + struct.pack("<4f", 1, 2, 3, 4) for word in (b"a ", b"b ", b"c ")]
    for first in (b"2 4\n", b"3 3\n", b"1 2\n"):
        (tmp_path / "a.bin").write_bytes(first + b"\n".join(vectors))
        with pytest.raises(DataError, match=r"a\.bin"):
            read_word2vec(tmp_path / "a.bin", "eng_Latn")
    (tmp_path / "a.bin").write_bytes(b"3 4\n" + b"\n".join(vectors) + b"\n")
    assert len(read_word2vec(tmp_path / "a.bin", "eng_Latn")[0]) == 3
    assert len(read_word2vec(tmp_path / "a.bin", "eng_Latn", limit=2)[0]) == 2


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"2 2\na " + struct.pack("<2f", 1, 2) + b"\nb \x00", b"1 2\n" + b"x" * 9000, b"9999999 4\n"],
)
def test_damaged_binary_files_are_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.bin"):
        read_word2vec(tmp_path / "a.bin", "eng_Latn")


def test_a_file_of_another_form_is_refused_without_flags_that_do_not_exist(tmp_path: Path, capsys) -> None:
    path = tmp_path / "en.vec"
    for text, told in (
        ("", "is empty"),
        ("2 3\nhouse 1 2 3\nsea 1 2\n", "en.vec:3 is no word with 3 numbers (2 numbers)"),
    ):
        path.write_text(text, encoding="utf-8")
        assert main(["static", "map", "--word2vec", f"eng_Latn={path}", "--output", str(tmp_path / "out")]) == 2
        shown = capsys.readouterr().err
        assert told in shown and "--binary" not in shown and shown.count("\n") == 1
