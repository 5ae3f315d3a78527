"""Files that are one JSON array of objects."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from hf_mplm.data.corpus import json_arrays
from hf_mplm.data.corpus.json_arrays import NotAnArrayError, array_elements
from hf_mplm.jobs.files import DamagedError

from .reading import put, read


ROWS = [
    {"text": "moja", "language": "swh_Latn"},
    {"text": 'na "x", [y] {z} \\', "language": "swh_Latn", "more": [1, {"a": [2, "]"]}]},
    {"text": "a\nb", "language": "deu_Latn"},
]
READ = [("swh_Latn", "moja"), ("swh_Latn", 'na "x", [y] {z} \\'), ("deu_Latn", "a"), ("deu_Latn", "b")]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_an_array_is_read_however_it_is_written(
    indent: int | None, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_arrays, "_BLOCK", block)
    text = json.dumps(ROWS, indent=indent)
    put(tmp_path, "a/rows.json", f"\ufeff\n {text} \n")
    put(tmp_path, "b/rows.JSON.gz", gzip.compress(text.encode()))
    rows, report = read(tmp_path)
    assert rows == READ * 2
    assert report.dropped == report.passed_over == {}


@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_elements_equal_those_of_a_whole_parse(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_arrays, "_BLOCK", block)
    values = ["", '"', "\\", "[{,", [], {}, [[]], {"a": ["\\", "}"]}, None, -1.5e3, "\u2028", "ሀ"]
    for indent in (None, 1):
        written = json.dumps(values, indent=indent).encode()
        found = list(array_elements(io.BytesIO(written)))
        assert [json.loads(element) for _, element in found] == values
        lines = written.split(b"\n")
        assert all(element.split(b"\n")[0] in lines[line - 1] for line, element in found)
    assert list(array_elements(io.BytesIO(b"[ \n]"))) == []


def test_a_bad_element_is_a_row_with_its_line(tmp_path: Path) -> None:
    bad = [
        "[" * 100_000 + "]" * 100_000,
        '{"a": ' * 100_000 + "1" + "}" * 100_000,
        '{"text": "a", "language": "sw", "id": ' + "1" * 5000 + "}",
        '{"text": "a", "text": "b", "language": "sw"}',
        "NaN",
        "null",
        "[1]",
        "{]",
        "",
    ]
    good = json.dumps(ROWS[0])
    put(tmp_path, "rows.json", "[\n" + ",\n".join([*bad, good, *bad, good]) + "\n]")
    rows, report = read(tmp_path)
    assert rows == [("swh_Latn", "moja")] * 2
    assert report.dropped_by_reason() == {"invalid_json": 2 * len(bad) - 2, "blank": 2}
    assert report.where["invalid_json"] == [f"{tmp_path}/rows.json:{line}" for line in range(2, 7)]
    put(tmp_path, "rows.json", '[{"text": "\\ud800", "language": "sw"}, {"text": 1, "language": "sw"}]')
    assert read(tmp_path)[1].dropped_by_reason() == {"invalid_utf8": 1, "missing_text": 1}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[{"text": "a"}, {"text": "b"', "has no end"),
        ('[{"text": "a"}, {"text": "b}]', "has no end"),
        ('[{"text": "a"}] [', "something follows"),
        ('[{"text": "a"}]}', "something follows"),
    ],
)
def test_an_array_without_its_end_is_damage(text: str, what: str, tmp_path: Path) -> None:
    put(tmp_path, "swh_Latn.json", text)
    with pytest.raises(DamagedError, match=rf"swh_Latn\.json: it cannot be read to its end \(.*{what}"):
        read(tmp_path)


def test_what_has_no_text_is_no_corpus(tmp_path: Path) -> None:
    put(tmp_path, "swh_Latn.txt", "moja\n")
    for number, text in enumerate(['["a"]', "[]", "[" * 100_000, '{"text": "a"', '"[1]"', '[{"a": "text"}]']):
        put(tmp_path, f"{number}.json", text)
    rows, report = read(tmp_path)
    assert rows == [("swh_Latn", "moja")] and len(report.passed_over) == 6
    # Lines of which the first is an array are lines.
    put(tmp_path, "swh_Latn.json", '[1]\n{"text": "mbili"}\n')
    assert ("swh_Latn", "mbili") in read(tmp_path)[0]


def test_an_element_that_never_ends_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_arrays, "_BLOCK", 10)
    monkeypatch.setattr(json_arrays, "_LONGEST", 100)
    handle = io.BytesIO(b'[{"text": "' + b"a" * 10_000)
    with pytest.raises(NotAnArrayError, match="more than 100 bytes"):
        list(array_elements(handle))
    assert handle.tell() < 500
