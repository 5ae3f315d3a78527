from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value

from hf_mplm.evaluation.benchmarks.ner import LABELS
from hf_mplm.evaluation.files.layouts import DataError
from hf_mplm.evaluation.files.tagged import read_tagged_files


def read(tmp_path, text, name="test.txt", labels=LABELS):
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8"))
    return [
        (list(sentence.words), [labels[label] for label in sentence.labels])
        for sentence in read_tagged_files([path], labels)
    ]


EXPECTED = [(["Obama", "spoke"], ["B-PER", "O"]), (["Berlin"], ["B-LOC"])]


@pytest.mark.parametrize(
    "text",
    [
        "Obama B-PER\nspoke O\n\nBerlin B-LOC\n",
        "Obama\tB-PER\nspoke\tO\n\nBerlin\tB-LOC",
        "\n\nObama B-PER\r\nspoke O\r\n\r\n\r\n\r\nBerlin B-LOC\r\n\r\n",
        "\ufeffObama B-PER\nspoke O\n \t\nBerlin B-LOC\n",
        "en:Obama\tB-PER\nen:spoke\tO\n\nen:Berlin\tB-LOC\n",
        "zh-classical:Obama\tB-PER\nzh-classical:spoke\tO\n\nzh-classical:Berlin\tB-LOC\n",
        "-DOCSTART- -X- -X- O\n\nObama NNP B-NP B-PER\nspoke VBD B-VP O\n\n-DOCSTART- -X- O O\nBerlin NNP X B-LOC\n",
    ],
    ids=["space", "tab", "blank lines first", "BOM", "WikiANN", "WikiANN, long code", "CoNLL-2003"],
)
def test_forms_of_the_same_two_sentences(text, tmp_path):
    assert read(tmp_path, text) == EXPECTED


def test_words_keep_what_is_in_them(tmp_path):
    text = '10\u00a0000\tO\n\u00a0\tO\n\u3000 O\nNew York\tB-LOC\nen:x O\n# O\n\tO\n"""" O\na\u2028b O\n'
    ((words, labels),) = read(tmp_path, text)
    assert words == ["10\u00a0000", "\u00a0", "\u3000", "New York", "en:x", "#", "", '""""', "a\u2028b"]
    assert labels[3] == "B-LOC"


def test_gzip_is_read(tmp_path):
    path = tmp_path / "test.txt.gz"
    path.write_bytes(gzip.compress(b"a O\n"))
    assert list(read_tagged_files([path], LABELS)[0].words) == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a O\nb B-DATE\n", "test.txt:2 has the label 'B-DATE', which is none of O, B-PER"),
        ("a O\n\nb\n", "test.txt:3 has no label"),
        ("a O\nb \n", "test.txt:2 has no label"),
        ("", "test.txt has no sentences"),
        ("\n\n\n", "test.txt has no sentences"),
    ],
)
def test_faults_name_file_and_line(text, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_parquet_with_the_names_of_its_labels(tmp_path):
    """The order of the file's labels is not that of the task."""
    names = ["B-LOC", "O", "B-PER"]
    table = Dataset.from_dict(
        {"tokens": [["Obama", "spoke"], ["Berlin"]], "ner_tags": [[2, 1], [0]], "langs": [["en", "en"], ["en"]]},
        features=Features(
            {
                "tokens": Sequence(Value("string")),
                "ner_tags": Sequence(ClassLabel(names=names)),
                "langs": Sequence(Value("string")),
            }
        ),
    )
    table.to_parquet(tmp_path / "test.parquet")
    found = read_tagged_files([tmp_path / "test.parquet"], LABELS)
    assert [(list(s.words), [LABELS[label] for label in s.labels]) for s in found] == EXPECTED


def test_parquet_with_bare_numbers_has_the_order_of_the_task(tmp_path):
    table = pa.table({"tokens": [["Obama", "spoke"], ["Berlin"]], "ner_tags": [[1, 0], [5]]})
    pq.write_table(table, tmp_path / "test.parquet")
    found = read_tagged_files([tmp_path / "test.parquet"], LABELS)
    assert [(list(s.words), [LABELS[label] for label in s.labels]) for s in found] == EXPECTED
    pq.write_table(pa.table({"tokens": [["x"]], "ner_tags": [[7]]}), tmp_path / "test.parquet")
    with pytest.raises(DataError, match="test.parquet:1 has the label 7, but there are 7"):
        read_tagged_files([tmp_path / "test.parquet"], LABELS)


def test_json_lines(tmp_path):
    rows = [{"tokens": ["Obama", "spoke"], "ner_tags": ["B-PER", "O"]}, {"tokens": ["Berlin"], "tags": ["B-LOC"]}]
    assert read(tmp_path, "\n".join(map(json.dumps, rows)), name="test.jsonl") == EXPECTED
    with pytest.raises(DataError, match="test.jsonl:1 has 1 tokens, but 2 labels"):
        read(tmp_path, '{"tokens": ["a"], "tags": ["O", "O"]}', name="test.jsonl")
    with pytest.raises(DataError, match="test.jsonl:1 needs the columns tokens and"):
        read(tmp_path, '{"words": ["a"], "tags": ["O"]}', name="test.jsonl")


def test_fused_words_of_the_hubs_treebanks_are_left_out(tmp_path):
    text = json.dumps({"tokens": ["du", "de", "le"], "upos": ["_", "ADP", "DET"]})
    assert read(tmp_path, text, name="test.jsonl", labels=("ADP", "DET")) == [(["de", "le"], ["ADP", "DET"])]
