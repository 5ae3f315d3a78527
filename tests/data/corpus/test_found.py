"""What is found in a folder, and that all of it is read or named."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from .reading import put, read


def reasons(folder: Path, **options: object) -> dict[str, str]:
    report = read(folder, **options)[1]
    return {name.removeprefix(f"{folder}/"): why for name, why in report.passed_over.items()}


def test_every_file_that_is_not_read_is_named_with_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "swh_Latn.txt", "moja\n")
    put(tmp_path, "notes.docx", b"PK")
    put(tmp_path, "zul_Latn.zip", b"PK")
    put(tmp_path, "xho_Latn.xml", "<a/>")
    put(tmp_path, "sot_Latn.parquet.gz", b"PK")
    put(tmp_path, "LICENSE", "text")
    put(tmp_path, "tsn_Latn.txt", "")
    put(tmp_path, ".cache/nso_Latn.txt", "text")
    put(tmp_path, "dataset_infos.json", '{"default": {"text": 1}}')
    os.mkfifo(tmp_path / "ven_Latn.txt")
    with caplog.at_level("WARNING", "hf_mplm"):
        found = reasons(tmp_path)
    assert found == {
        "notes.docx": "no kind of file that is read (.docx)",
        "zul_Latn.zip": "an archive; unpack it",
        "xho_Latn.xml": "XML is not read; write its sentences as CODE.txt",
        "sot_Latn.parquet.gz": "compressed Parquet; unpack it",
        "LICENSE": "no kind of file that is read (without a suffix)",
        "tsn_Latn.txt": "empty",
        ".cache": "hidden",
        "dataset_infos.json": "no JSON object with a column 'text', in an array or one a line",
        "ven_Latn.txt": "a FIFO, which can be read only once; write it into a file",
    }
    assert all(name in caplog.text for name in found)


def test_a_corpus_of_nothing_that_is_read_says_what_there_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "swh_Latn.zip", b"PK")
    with pytest.raises(ValueError, match=r"holds no corpus(?s:.*)Passed over, an archive; unpack it: .*swh_Latn.zip"):
        read(tmp_path)
    with pytest.raises(ValueError, match="an archive; unpack it; needed is swh_Latn.txt"):
        read(tmp_path / "swh_Latn.zip")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # the path of a socket may have some hundred characters at most
        server.bind("socket")
        with pytest.raises(ValueError, match="socket is a socket"):
            read(tmp_path / "socket")


def test_links_are_followed_once(tmp_path: Path) -> None:
    corpus, other = tmp_path / "corpus", tmp_path / "other"
    put(corpus, "swh_Latn.txt", "moja\n")
    put(corpus, "sub/zul_Latn.txt", "kunye\n")
    put(other, "deu_Latn.txt", "eins\n")
    (corpus / "more").symlink_to(other)
    (corpus / "once_more").symlink_to(other)
    (corpus / "sub" / "above").symlink_to(corpus)
    (other / "back").symlink_to(corpus)
    (corpus / "same.txt").symlink_to(corpus / "swh_Latn.txt")
    (corpus / "xho_Latn.txt").symlink_to(put(tmp_path, "elsewhere.txt", "nye\n"))
    (corpus / "gone.txt").symlink_to("nowhere")
    (corpus / "itself.txt").symlink_to("itself.txt")
    rows, report = read(corpus)
    assert sorted(rows) == [
        ("deu_Latn", "eins"),
        ("swh_Latn", "moja"),
        ("xho_Latn", "nye"),
        ("zul_Latn", "kunye"),
    ]
    found = {name.removeprefix(f"{corpus}/"): why for name, why in report.passed_over.items()}
    assert found == {
        "once_more": f"a link to {other}, read anyway",
        "sub/above": "a link to a folder above it",
        "more/back": f"a link to {corpus}, read anyway",
        "same.txt": f"a link to {corpus}/swh_Latn.txt, read anyway",
        "gone.txt": "a link that leads nowhere",
        "itself.txt": "a link that leads nowhere",
    }


def test_what_languages_leaves_out_is_named_too(tmp_path: Path) -> None:
    for code in ("swh_Latn", "deu_Latn", "README"):
        put(tmp_path, f"{code}.txt", "text\n")
    assert reasons(tmp_path, languages=["sw"]) == {
        "deu_Latn.txt": "of a language that --languages does not name",
        "README.txt": "named by no language that --languages names",
    }


def test_names_that_a_terminal_would_act_on_are_escaped(tmp_path: Path) -> None:
    put(tmp_path, "swh_Latn.a\x1b[31m\n.txt", "moja\n")
    with open(os.fsencode(tmp_path) + b"/zul_Latn.\xff.txt", "wb") as handle:
        handle.write(b"kunye\n")
    rows, report = read(tmp_path)
    assert rows == [("swh_Latn", "moja"), ("zul_Latn", "kunye")]
    names = [name for names in report.files.values() for name in names]
    assert names == [f"{tmp_path}/swh_Latn.a\\x1b[31m\\n.txt", f"{tmp_path}/zul_Latn.\\udcff.txt"]
    assert all(name.isprintable() and name.encode() for name in names)


def test_the_report_travels(tmp_path: Path) -> None:
    put(tmp_path, "swh_Latn.txt", "moja\n")
    put(tmp_path, "a.docx", b"PK")
    report = read(tmp_path)[1]
    again = type(report).from_dict(report.to_dict())
    assert again == report and again.passed_over
    # What an earlier version wrote knows nothing of it.
    old = {key: value for key, value in report.to_dict().items() if key != "passed_over"}
    assert type(report).from_dict(old).passed_over == {}
