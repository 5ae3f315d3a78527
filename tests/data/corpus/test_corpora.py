from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_mplm.data.corpus import cleaning
from hf_mplm.data.corpus.corpora import CorpusReport, find_files, iter_corpus, list_languages
from hf_mplm.data.corpus.options import ReadOptions
from hf_mplm.data.corpus.readers import read_segment
from hf_mplm.data.corpus.segments import split_into_segments
from hf_mplm.jobs.files import DamagedError


def read(source: Path, **options: Any) -> tuple[list[tuple[str, str]], CorpusReport]:
    report = CorpusReport()
    return [(row["language"], row["text"]) for row in iter_corpus(source, report=report, **options)], report


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def texts(folder: Path, content: bytes, name: str = "swh_Latn.txt") -> tuple[list[str], CorpusReport]:
    write(folder, name, content)
    rows, report = read(folder)
    return [text for _, text in rows], report


@pytest.mark.parametrize("name", ["swh_Latn.txt", "swh_Latn.txt.gz"])
def test_lines_are_split_on_newline_alone(tmp_path: Path, name: str) -> None:
    lines = ["a\u2028b", "c\u0085d", "e\u00a0f", "\u00a0g ", "h\x0bi\x0cj\x1ck", "l\u2029m", "n\ro", "p"]
    # The lines are not what Python's own idea of a line gives, so that the test would see it.
    assert "\n".join(lines).splitlines() != lines
    found, report = texts(tmp_path, "\n".join(lines).encode(), name)
    assert found == lines
    assert report.dropped == {} and report.cleaned == {}


def test_one_carriage_return_goes_and_is_counted(tmp_path: Path) -> None:
    found, report = texts(tmp_path, b"a\r\nb\r\r\nc\n\r\n")
    assert found == ["a", "b\r", "c"]
    assert report.cleaned == {"swh_Latn": {"carriage_return": 3}}
    assert report.dropped == {"swh_Latn": {"blank": 1}}


def test_byte_order_mark_is_removed_and_placed(tmp_path: Path) -> None:
    found, report = texts(tmp_path, b"\xef\xbb\xbffirst\nsecond\n\xef\xbb\xbfthird\nin\xef\xbb\xbfside\n")
    assert found == ["first", "second", "third", "in\ufeffside"]
    assert report.cleaned == {"swh_Latn": {"bom": 2}}
    file = f"{tmp_path}/swh_Latn.txt"
    assert report.where["bom"] == [f"{file}:1", f"{file}:3"]


def test_byte_order_mark_would_stay_without_its_handling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "_BOM", "not in the text")
    found, report = texts(tmp_path, b"\xef\xbb\xbffirst\n")
    assert found == ["\ufefffirst"] and report.cleaned == {}


def test_invalid_utf8_costs_its_line_only(tmp_path: Path) -> None:
    found, report = texts(tmp_path, "één\n".encode() + b"\xff\xfe bad\ngood\n\xc3\n" + "größe\n".encode())
    assert found == ["één", "good", "größe"]
    assert report.dropped == {"swh_Latn": {"invalid_utf8": 2}}
    assert report.where["invalid_utf8"] == [f"{tmp_path}/swh_Latn.txt:{line}" for line in (2, 4)]


def test_nul_characters_are_removed(tmp_path: Path) -> None:
    found, report = texts(tmp_path, b"a\0b\n\0\0\nc\n")
    assert found == ["ab", "c"]
    assert report.cleaned == {"swh_Latn": {"nul": 2}} and report.dropped == {"swh_Latn": {"blank": 1}}


def test_long_and_repeated_lines_are_kept(tmp_path: Path) -> None:
    long = "neno " * 200_000
    found, report = texts(tmp_path, f"{long}\nsame\nsame\n".encode())
    assert found == [long, "same", "same"] and report.counts == {"swh_Latn": 3}


def test_few_places_are_kept(tmp_path: Path) -> None:
    _, report = texts(tmp_path, b"\xff\nok\n" * 100)
    assert report.dropped["swh_Latn"]["invalid_utf8"] == 100 and len(report.where["invalid_utf8"]) == 5


@pytest.mark.parametrize("nominal", [1, 2, 3, 7, 50, 10_000])
def test_segments_give_each_line_once_and_name_it_right(tmp_path: Path, nominal: int) -> None:
    content = b"".join(b"%d\xc3\xa9 line\n\n" % i if i % 3 else b"bad \xff %d\n" % i for i in range(40)) + b"last"
    write(tmp_path, "swh_Latn.txt", content)
    whole, expected = read(tmp_path)
    options = ReadOptions()
    (file,) = find_files(tmp_path, options)
    segments = split_into_segments(file, nominal)
    assert len(segments) == -(-len(content) // nominal)
    report = CorpusReport(max_places=1000)
    expected.max_places = 1000
    found = [row for segment in segments for row in read_segment(segment, options, report)]
    assert found == whole
    assert report.dropped == expected.dropped
    bad_lines = [i for i, line in enumerate(content.split(b"\n"), start=1) if b"\xff" in line]
    assert report.where["invalid_utf8"] == [f"{tmp_path}/swh_Latn.txt:{line}" for line in bad_lines]


def test_verses(tmp_path: Path) -> None:
    write(tmp_path, "swh_Latn.tsv", b"40001001\tA\tb\n40001002\t\nno verse\n40001003\tC\r\n")
    rows, report = read(tmp_path)
    assert rows == [("swh_Latn", "A\tb"), ("swh_Latn", "C")]
    assert report.dropped == {"swh_Latn": {"blank": 1, "missing_text": 1}}
    assert report.where["missing_text"] == [f"{tmp_path}/swh_Latn.tsv:3"]


JSON_ROWS = [
    {"text": "moja\nmbili", "language": "swh_Latn"},
    {"text": "три", "language": "srp"},
    {"text": "tri", "language": "srp"},
    {"text": None, "language": "srp"},
    {"text": "x", "language": None},
    {"text": "1 2 3", "language": "srp"},
    {"text": "\ud800", "language": "swh_Latn"},
    {"text": "四", "language": "cmn_Hans"},
]


def test_jsonl(tmp_path: Path) -> None:
    content = "\n".join(json.dumps(row) for row in JSON_ROWS) + "\nnot json\n[1]\n\n"
    write(tmp_path, "a.jsonl.gz", content.encode())
    rows, report = read(tmp_path)
    assert rows == [
        ("swh_Latn", "moja"),
        ("swh_Latn", "mbili"),
        ("srp_Cyrl", "три"),
        ("srp_Latn", "tri"),
        ("zho_Hans", "四"),
    ]
    unknown = {"missing_text": 1, "missing_language": 1, "no_script": 1, "invalid_json": 2, "blank": 1}
    assert report.dropped == {"unknown": unknown, "swh_Latn": {"invalid_utf8": 1}}
    assert report.where["invalid_json"] == [f"{tmp_path}/a.jsonl.gz:9", f"{tmp_path}/a.jsonl.gz:10"]
    assert list_languages(tmp_path) == ["srp_Cyrl", "srp_Latn", "swh_Latn", "zho_Hans"]


def test_parquet_with_a_row_that_is_not_utf8(tmp_path: Path) -> None:
    bad = pa.array([b"moja", b"\xff\xfe", b"mbili\ntatu"], pa.binary()).view(pa.string())
    table = pa.table({"sentence": bad, "lang": ["sw", "sw", "swh_Latn"], "other": [1, 2, 3]})
    pq.write_table(table, tmp_path / "data.parquet", row_group_size=2)
    rows, report = read(tmp_path, text_column="sentence", language_column="lang")
    assert rows == [("swh_Latn", "moja"), ("swh_Latn", "mbili"), ("swh_Latn", "tatu")]
    assert report.where["invalid_utf8"] == [f"{tmp_path}/data.parquet:2"]
    with pytest.raises(ValueError, match="no column 'text' among lang, other, sentence.*--text_column"):
        read(tmp_path)


def test_rows_without_a_language_in_a_file_without_one_are_named(tmp_path: Path) -> None:
    write(tmp_path, "data.jsonl", b'{"text": "moja", "lang": "swh"}\n')
    with pytest.raises(ValueError, match="no column 'language' among lang, text.*--language_column"):
        read(tmp_path)


def test_name_of_file_or_folder_tells_the_language_where_no_column_does(tmp_path: Path) -> None:
    for name in ("swh_Latn/train/000.parquet", "zul_Latn.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"text": [name]}), tmp_path / name)
    write(tmp_path, "ukr_Cyrl/0.jsonl", b'{"text": "a", "language": "ukr"}\n{"text": "b", "language": "rus_Cyrl"}\n')
    rows, _ = read(tmp_path)
    assert rows == [
        ("swh_Latn", "swh_Latn/train/000.parquet"),
        ("ukr_Cyrl", "a"),
        ("rus_Cyrl", "b"),
        ("zul_Latn", "zul_Latn.parquet"),
    ]


def test_script_is_detected_where_the_name_lacks_it(tmp_path: Path) -> None:
    write(tmp_path, "srp.txt", "Сва људска бића рађају се слободна\n".encode())
    assert read(tmp_path)[0][0][0] == "srp_Cyrl"


def test_files_of_one_code_are_merged_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("swh_Latn.txt", "swh_Latn.part2.txt", "sw-Latn.txt", "zul_Latn.txt"):
        write(tmp_path, name, name.encode())
    with caplog.at_level("INFO", "hf_mplm"):
        rows, report = read(tmp_path)
    assert {code for code, _ in rows} == {"swh_Latn", "zul_Latn"} and report.counts == {"swh_Latn": 3, "zul_Latn": 1}
    assert len(report.files["swh_Latn"]) == 3
    assert "swh_Latn in" in caplog.text and "zul_Latn" not in caplog.text


def test_languages_are_chosen(tmp_path: Path) -> None:
    for code, text in (("srp_Cyrl", "а"), ("srp_Latn", "a"), ("cmn_Hans", "一"), ("swh_Latn", "b")):
        write(tmp_path, f"{code}.txt", text.encode())
    write(tmp_path, "README.txt", b"about")
    assert {code for code, _ in read(tmp_path, languages=["srp", "zho-Hans"])[0]} == {
        "srp_Cyrl",
        "srp_Latn",
        "zho_Hans",
    }
    assert {code for code, _ in read(tmp_path, languages=["zh-Hans"], fold_han=True)[0]} == {"zho_Hani"}
    with pytest.raises(
        ValueError,
        match="no text in zul_Latn, which --languages asks.*--languages srp_Cyrl srp_Latn\nPassed over, .*README.txt$",
    ):
        read(tmp_path, languages=["srp", "zul_Latn"])
    with pytest.raises(ValueError, match="'xxq' is no language.*nearest"):
        read(tmp_path, languages=["xxq_Latn"])


def test_errors_say_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such folder or file \(.*\), and it cannot be the id"):
        read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no corpus. Needed are files such as swh_Latn.txt"):
        read(tmp_path)
    write(tmp_path, "swh_Latn.txt", b"")
    with pytest.raises(ValueError, match="empty"):
        read(tmp_path)
    write(tmp_path, "xxq_Latn.txt", b"text\n")
    with pytest.raises(ValueError, match=r"xxq_Latn.txt: 'xxq_Latn' is not a language code.*nearest(?s:.*)rename it"):
        read(tmp_path)
    (tmp_path / "xxq_Latn.txt").unlink()
    write(tmp_path, "zul_Latn.txt", "text\n".encode("utf-16"))
    with pytest.raises(ValueError, match="UTF-16.*iconv"):
        read(tmp_path)
    (tmp_path / "zul_Latn.txt").unlink()
    write(tmp_path, "a.jsonl", b'{"text": "a", "language": "swh_Latn"}\n{"text": "a", "language": "nonsense"}\n')
    assert read(tmp_path)[1].where["unknown_language"] == [f"{tmp_path}/a.jsonl:2 (nonsense)"]


@pytest.mark.parametrize("kept", [20, 60_000])
def test_compressed_file_cut_short_is_named(tmp_path: Path, kept: int) -> None:
    lines = "\n".join(f"{i} {i * 2654435761 % 2**32}" for i in range(20_000)).encode()
    path = write(tmp_path, "swh_Latn.txt.gz", lines)
    assert path.stat().st_size > kept
    with open(path, "r+b") as handle:
        handle.truncate(kept)
    with pytest.raises(DamagedError, match="damaged: .*swh_Latn.txt.gz: it cannot be read to its end"):
        read(tmp_path)


def test_parquet_file_cut_short_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"] * 100}), tmp_path / "swh_Latn.parquet")
    with open(tmp_path / "swh_Latn.parquet", "r+b") as handle:
        handle.truncate(100)
    # Choosing languages must not turn what is broken into what was not asked for.
    for languages in (None, ["swh_Latn"]):
        with pytest.raises(DamagedError, match="damaged: .*swh_Latn.parquet: it cannot be read"):
            read(tmp_path, languages=languages)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands in for `owner/corpus` on the Hub."""
    import datasets

    folder = tmp_path / "hub"
    folder.mkdir()
    load, names = datasets.load_dataset, datasets.get_dataset_config_names

    def local(source: str) -> str:
        return str(folder) if source == "owner/corpus" else source

    monkeypatch.setattr(datasets, "load_dataset", lambda path, *a, **k: load(local(path), *a, **k))
    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda path, **k: names(local(path), **k))
    monkeypatch.chdir(tmp_path)
    return folder


def hub_readme(folder: Path, configs: dict[str, str]) -> None:
    lines = ["---", "configs:"]
    for config, pattern in configs.items():
        lines += [f"- config_name: {config}", f'  data_files: "{pattern}"']
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


def test_hub_dataset_with_a_configuration_per_language(hub: Path) -> None:
    hub_readme(hub, {"swh_Latn": "sw/*.parquet", "cmn_Hani": "zh/*.parquet", "default": "*/*.parquet"})
    for folder, n in (("sw", 3), ("zh", 1)):
        (hub / folder).mkdir()
        for i in range(n):
            pq.write_table(pa.table({"text": [f"{folder} {i}\n", f"{folder} {i} b"]}), hub / folder / f"{i}.parquet")
    rows, report = read("owner/corpus")  # type: ignore[arg-type]
    assert rows[:2] == [("zho_Hani", "zh 0"), ("zho_Hani", "zh 0 b")]
    assert [text for code, text in rows if code == "swh_Latn"] == [f"sw {i}{b}" for i in range(3) for b in ("", " b")]
    assert report.dropped == {"swh_Latn": {"blank": 3}, "zho_Hani": {"blank": 1}}
    assert list_languages("owner/corpus") == ["swh_Latn", "zho_Hani"]
    # Each shard can be read on its own, which is what lets interrupted work go on.
    options = ReadOptions(languages=("swh_Latn",))
    (file,) = find_files("owner/corpus", options)
    assert len(split_into_segments(file, 1)) == 3


def test_hub_dataset_with_a_language_column(hub: Path) -> None:
    import datasets

    features = datasets.Features(
        {"content": datasets.Value("string"), "code": datasets.ClassLabel(names=["swh_Latn", "ukr_Cyrl"])}
    )
    rows = {"content": ["moja", "один", "mbili"], "code": [0, 1, 0]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(hub / "train.parquet")
    found, _ = read("owner/corpus", text_column="content", language_column="code")  # type: ignore[arg-type]
    assert found == [("swh_Latn", "moja"), ("ukr_Cyrl", "один"), ("swh_Latn", "mbili")]


def test_hub_id_that_leads_nowhere_is_read_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder or file here, and read as the id of a dataset"):
        read("owner/nowhere")  # type: ignore[arg-type]
