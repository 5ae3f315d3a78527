"""Rows of JSONL, CSV, TSV and Parquet: one bad row stops nothing, and is counted."""

from __future__ import annotations

import decimal
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .reading import put, read


GOOD = {"text": "moja", "language": "swh_Latn"}
UNKNOWN = ["und", "mul", "zxx", "mis", "qaa", "Swahili!", "../../etc/passwd", "\x1b[31mred", "x" * 100_000, "sw" * 50]


def jsonl(*rows: Any) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


@pytest.mark.parametrize("languages", [None, ["swh_Latn"], ["sw"]])
def test_rows_whose_language_is_none_are_counted(languages: list[str] | None, tmp_path: Path) -> None:
    rows = [GOOD, *({"text": "x", "language": code} for code in UNKNOWN), GOOD]
    put(tmp_path, "rows.jsonl", jsonl(*rows))
    table = pa.table({"text": [row["text"] for row in rows], "language": [row["language"] for row in rows]})
    pq.write_table(table, tmp_path / "rows.parquet")
    found, report = read(tmp_path, languages=languages)
    assert found == [("swh_Latn", "moja")] * 4
    assert report.dropped == {"unknown": {"unknown_language": 2 * len(UNKNOWN)}}
    places = report.where["unknown_language"]
    assert places[0] == f"{tmp_path}/rows.jsonl:2 (und)" and len(places) == 5
    assert all(len(place) < len(str(tmp_path)) + 80 and place.isprintable() for place in places)


def test_a_million_unknown_codes_cost_no_search_for_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(*_: Any) -> list[str]:
        raise AssertionError("the nearest codes are looked for when a message is read")

    monkeypatch.setattr("hf_mplm.languages.codes.nearest_codes", search)
    put(tmp_path, "rows.jsonl", jsonl(GOOD, *({"text": "x", "language": f"q{i}"} for i in range(5000))))
    assert read(tmp_path)[1].dropped == {"unknown": {"unknown_language": 5000}}


@pytest.mark.parametrize("name", ["rows.jsonl", "swh_Latn.json", "rows.ndjson"])
def test_json_that_python_fails_on_is_a_row_with_its_line(name: str, tmp_path: Path) -> None:
    bad = [
        "[" * 100_000,
        '{"a": ' * 100_000,
        '{"text": "a", "language": "sw", "id": ' + "1" * 5000 + "}",
        '{"text": "a", "text": "b", "language": "sw"}',
        "NaN",
        "null",
        "[1]",
        '"text"',
        "{",
    ]
    # Such rows at the beginning do not hide what the file is.
    put(tmp_path, name, jsonl(*bad, GOOD, *bad, GOOD))
    rows, report = read(tmp_path)
    assert rows == [("swh_Latn", "moja")] * 2
    assert sum(counts["invalid_json"] for counts in report.dropped.values()) == 2 * len(bad)
    assert report.where["invalid_json"] == [f"{tmp_path}/{name}:{line}" for line in range(1, 6)]


LONG = "neno " * 40_000


def test_csv(tmp_path: Path) -> None:
    put(
        tmp_path,
        "rows.csv",
        b"\xef\xbb\xbfid,language,text\r\n"
        + f'1,swh_Latn,"{LONG}"\r\n'.encode()
        + b'2,swh_Latn,"na ""x"", y\nz"\r\n'
        + b"3,swh_Latn,moja,mbili\r\n4,und,a\r\n5,swh_Latn\r\n\r\n6,swh_Latn,\xff\r\n7,swh_Latn,a\0b\r\n"
        + b'8,swh_Latn,"a" b\r\n9,swh_Latn,5" c\r\n10,swh_Latn,"never closed\r\n11,swh_Latn,d\r\n12,swh_Latn,e\r\n',
    )
    rows, report = read(tmp_path)
    assert [text for _, text in rows] == [LONG, 'na "x", y', "z", "ab", '5" c', "d", "e"]
    assert report.dropped == {
        "unknown": {"invalid_row": 4, "unknown_language": 1, "blank": 1},
        "swh_Latn": {"invalid_utf8": 1},
    }
    assert report.cleaned == {"swh_Latn": {"nul": 1}}
    assert [place.rpartition(":")[2] for place in report.where["invalid_row"]] == ["5", "7", "11", "13"]


def test_a_quote_that_is_never_closed_takes_one_line_and_not_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the quote before a long rest: what is read in vain is bounded.
    monkeypatch.setattr("hf_mplm.data.corpus.tables._LONGEST_ROW", 1000)
    lines = [f"sw,neno {i}" for i in range(500)]
    put(tmp_path, "rows.csv", "\n".join(["language,text", 'sw,"open', *lines]))
    rows, report = read(tmp_path)
    assert len(rows) == 500 and report.dropped == {"unknown": {"invalid_row": 1}}


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_separators_of_csv(delimiter: str, tmp_path: Path) -> None:
    put(tmp_path, "swh_Latn.csv", f"id{delimiter}text\n1{delimiter}a, b\n")
    assert read(tmp_path)[0] == [("swh_Latn", "a, b")]


def test_csv_without_its_column_names_those_that_there_are(tmp_path: Path) -> None:
    put(tmp_path, "swh_Latn.csv", "moja,mbili\na,b\n")
    with pytest.raises(ValueError, match="no column 'text' among mbili, moja; .*--text_column"):
        read(tmp_path)
    assert read(tmp_path, text_column="mbili")[0] == [("swh_Latn", "b")]
    put(tmp_path, "swh_Latn.csv", "text,text\na,b\n")
    with pytest.raises(ValueError, match="several columns 'text'"):
        read(tmp_path)


def test_tsv_with_names_of_columns_is_a_table_and_quotes_are_characters(tmp_path: Path) -> None:
    put(tmp_path, "rows.tsv", f'id\tlanguage\ttext\n1\tsw\t"moja\n2\tund\tb\n3\tsw\t{LONG}\n4\tsw\n5\tsw\ta\tb\n')
    rows, report = read(tmp_path)
    assert rows == [("swh_Latn", '"moja'), ("swh_Latn", LONG)]
    assert report.dropped == {"unknown": {"unknown_language": 1, "invalid_row": 2}}


def test_more_columns_than_two_without_names_are_no_verses(tmp_path: Path) -> None:
    put(tmp_path, "swh_Latn.tsv", "1\tmoja\tone\n2\tmbili\ttwo\n")
    with pytest.raises(ValueError, match="most of its lines have 3 columns.*first line must name them.*--text_column"):
        read(tmp_path)


def test_labels_of_datasets_are_read_by_their_names(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "language": datasets.ClassLabel(names=["swh_Latn", "ukr_Cyrl"])}
    )
    rows = {"text": ["moja", "один", "none", "mbili"], "language": [0, 1, -1, 0]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "rows.parquet")
    found, report = read(tmp_path)
    # -1 is how `datasets` writes that there is no label: not the last name.
    assert found == [("swh_Latn", "moja"), ("ukr_Cyrl", "один"), ("swh_Latn", "mbili")]
    assert report.dropped == {"unknown": {"missing_language": 1}}


SURPRISES: dict[str, Any] = {
    "list": [["a"]],
    "struct": [{"sw": "a"}],
    "int64": [1],
    "decimal": [decimal.Decimal("1.0")],
}


@pytest.mark.parametrize("column", ["text", "language"])
@pytest.mark.parametrize("kind", SURPRISES)
def test_columns_of_parquet_that_are_no_strings_are_named(column: str, kind: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "language": ["sw"], column: SURPRISES[kind]}), tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match=f"rows.parquet: its column '{column}' holds {kind}.*--{column}_column"):
        read(tmp_path)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), "dictionary"])
def test_every_kind_of_string_in_parquet_is_read(kind: Any, tmp_path: Path) -> None:
    columns = {"text": ["moja", "mbili"], "language": ["sw", "und"]}
    if kind == "dictionary":
        arrays = {name: pa.array(values).dictionary_encode() for name, values in columns.items()}
    else:
        arrays = {name: pa.array(values, pa.string()).cast(kind) for name, values in columns.items()}
    pq.write_table(pa.table(arrays), tmp_path / "rows.parquet")
    rows, report = read(tmp_path)
    assert rows == [("swh_Latn", "moja")] and report.dropped == {"unknown": {"unknown_language": 1}}


def test_columns_of_nulls_and_of_one_name_twice(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.nulls(2), "language": ["sw", "sw"]}), tmp_path / "rows.parquet")
    assert read(tmp_path)[1].dropped == {"unknown": {"missing_text": 2}}
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"]), pa.array(["sw"])], ["text", "text", "language"])
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match="several columns 'text'"):
        read(tmp_path)


def test_messages_quote_a_few_names_of_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({f"{i:03d}{'x' * 500}\n": ["a"] for i in range(300)}), tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match="and 290 more") as error:
        read(tmp_path)
    assert len(str(error.value)) < 1500 and "\n" not in str(error.value)
