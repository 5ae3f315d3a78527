from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from hf_mplm.evaluation.files.layouts import (
    DataError,
    SplitFolder,
    read_lines,
    read_records,
    require_columns,
    unique_by,
)
from hf_mplm.evaluation.files.names import Meaning, resolve_codes


def test_lines_end_in_newline_alone(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes("\ufeffone\u2028still one\r\ntwo\u0085\u00a0\n\nlast".encode())
    assert read_lines(path) == ["one\u2028still one", "two\u0085\u00a0", "", "last"]
    (tmp_path / "lines.txt.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_lines(tmp_path / "lines.txt.gz") == read_lines(path)


def test_invalid_utf8_names_file_and_line(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(b"fine\nnot \xff fine\n")
    with pytest.raises(DataError, match=r"bad\.txt:2 is not UTF-8"):
        read_lines(path)


def test_quoted_fields_as_sib200_writes_them(tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text('id\ttext\n1\t"He said ""no"".\nTwice."\n2\ta "word" inside\n', encoding="utf-8")
    records = read_records([path], quoted=True)
    assert [record.values["text"] for record in records] == ['He said "no".\nTwice.', 'a "word" inside']
    assert [record.place for record in records] == [f"{path}:2", f"{path}:4"]


def test_a_quote_that_never_closes_swallows_no_lines(tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text('id\ttext\n1\tfine\n2\t"open\n3\tlost\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.tsv:3: .*must close"):
        read_records([path], quoted=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id\tlabel\ttext\n1\tFaith\n", r"test\.tsv:2 has 2 fields instead of 3 \(id, label, text\)"),
        ("id\tlabel\ttext\n", "has no items"),
        ("", "has no items"),
    ],
)
def test_faulty_files_are_named(tmp_path, content, message):
    path = tmp_path / "test.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_records([path])


def test_headerless_files_take_names(tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text("40001001\tFaith\tIn the beginning", encoding="utf-8")
    assert read_records([path], columns=("id", "label", "text"))[0].values["label"] == "Faith"


def test_class_labels_of_hub_parquet_are_read_as_names(tmp_path):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features).to_parquet(
        tmp_path / "named.parquet"
    )
    assert [record.values["label"] for record in read_records([tmp_path / "named.parquet"])] == ["yes", "no", -1]
    pq.write_table(pa.table({"label": [1, 0]}), tmp_path / "bare.parquet")
    assert [record.values["label"] for record in read_records([tmp_path / "bare.parquet"])] == [1, 0]


def test_repeated_ids_name_both_places(tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text("id\ttext\n1\ta\n2\tb\n1\tc\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.tsv:4 repeats the id '1' of .*test\.tsv:2"):
        unique_by(read_records([path]), "id")
    with pytest.raises(DataError, match=r"test\.tsv:2 has no column 'label'; it has id, text"):
        require_columns(read_records([path]), ["label"])


@pytest.mark.parametrize(
    "name",
    [
        "swh_Latn/test.tsv",
        "test/swh_Latn.tsv",
        "swh_Latn_test.tsv",
        "test-swh_Latn.tsv",
        "swh_Latn/test.parquet",
        "swh_Latn/test-00000-of-00001.parquet",
        "swh_Latn/test/0000.parquet",
        "test/swh_Latn.parquet",
        "swh_Latn/test_2k.tsv",
        "swh_Latn/test",
        "swh_Latn/test.TSV",
        "swh_Latn/test.txt.xz",
    ],
)
def test_layouts_of_the_benchmarks_and_of_the_hub(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    splits = SplitFolder(tmp_path)
    assert splits.find("swh_Latn", "test") == [tmp_path / name]
    assert splits.names() == ["swh_Latn"]
    assert splits.find("swh_Latn", "dev") == []


def test_a_missing_shard_is_an_error(tmp_path):
    (tmp_path / "sw").mkdir()
    (tmp_path / "sw/test-00000-of-00002.parquet").touch()
    with pytest.raises(DataError, match="shard 1 of the files like .* is missing"):
        SplitFolder(tmp_path).find("sw", "test")


def test_codes_of_the_benchmarks_are_resolved():
    samples = {
        "cmn": "人人生而自由",
        "swh_Latn": "",
        "labels": "",
        "hin": "सभी मनुष्य",
        "yue": "學習",
        "als": "a",
        "sq": "a",
    }
    names = resolve_codes(samples, samples.__getitem__, {"als": Meaning("gsw")})
    assert names.codes == {
        **{"zho_Hans": "cmn", "swh_Latn": "swh_Latn", "hin_Deva": "hin", "yue_Hant": "yue"},
        **{"gsw_Latn": "als", "als_Latn": "sq"},
    }
    assert "'labels' is not a language code" in names.unused["labels"]


@pytest.mark.parametrize(
    ("text", "code"),
    [("尊严和权利", "zho_Hans"), ("尊嚴和權利", "zho_Hant"), ("", "zho_Hans"), ("尊严和權利", "zho_Hans")],
)
@pytest.mark.parametrize("name", ["zh", "cmn", "zho", "zho_Hani", "cmn-Hani"])
def test_chinese_has_one_name_whatever_a_benchmark_calls_it(name, text, code):
    assert resolve_codes([name], lambda _: text).codes == {code: name}


def test_two_names_of_one_language_refuse_that_language_alone(tmp_path):
    names = resolve_codes(
        ["swh_Latn", "swh_latn", "en", "simple"], lambda _: "a", {"simple": Meaning("eng", "Simple")}
    )
    assert names.codes == {"eng_Latn": "en"}
    assert "'swh_Latn' and 'swh_latn' are both swh_Latn" in names.refused["swh_Latn"]
    assert "mv ./swh_latn" in names.refused["swh_Latn"] and "eng_Latn is read from 'en'" in names.unused["simple"]
