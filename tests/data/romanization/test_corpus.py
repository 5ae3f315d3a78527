from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest


pytest.importorskip("uroman")

import hf_mplm.data.romanization.corpus as module
from hf_mplm.data.corpus.corpora import iter_corpus, list_languages  # noqa: E402
from hf_mplm.data.romanization.corpus import ROMANIZED_FILE, romanize_corpus  # noqa: E402
from tests.processes import CONTEXT  # noqa: E402

from .samples import romanize_by_uroman  # noqa: E402


PART_BYTES = 2000


def read(output: Path) -> list[dict[str, str]]:
    rows = []
    for file in sorted(output.glob("*.parquet")):
        rows += pq.read_table(file).to_pylist()
    for file in sorted(output.glob("*.jsonl")):
        rows += [json.loads(line) for line in file.read_bytes().split(b"\n") if line]
    return rows


def contents(output: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(output.iterdir())}


def test_every_sentence_stands_beside_what_uroman_makes_of_it(tiny_corpus: Path, tmp_path: Path) -> None:
    info = romanize_corpus(tiny_corpus, tmp_path / "out")
    rows = read(tmp_path / "out")
    corpus = list(iter_corpus(tiny_corpus))
    assert [{"text": row["text"], "language": row["language"]} for row in rows] == corpus
    assert [row["romanized"] for row in rows] == [romanize_by_uroman(row["text"]) for row in corpus]
    assert sum(info["sentences"].values()) == len(corpus)
    assert info["unchanged"]["swh_Latn"] == sum(
        row["romanized"] == row["text"] for row in rows if row["language"] == "swh_Latn"
    )
    assert info["unchanged"]["swh_Latn"] > 0 == info["unchanged"]["hin_Deva"]
    assert info["uroman"] == json.loads((tmp_path / "out" / ROMANIZED_FILE).read_text())["uroman"]


@pytest.mark.parametrize("output_format", ["parquet", "jsonl"])
def test_the_output_is_a_corpus(tiny_corpus: Path, tmp_path: Path, output_format: str) -> None:
    romanize_corpus(tiny_corpus, tmp_path / "out", output_format=output_format, part_bytes=PART_BYTES)
    assert list(iter_corpus(tmp_path / "out")) == list(iter_corpus(tiny_corpus))
    romanized = {row["text"] for row in iter_corpus(tmp_path / "out", text_column="romanized")}
    assert romanize_by_uroman(next(iter(iter_corpus(tiny_corpus)))["text"]) in romanized
    assert list_languages(tmp_path / "out") == list_languages(tiny_corpus)


def test_lines_keep_separators_that_are_no_newline(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    text = "один\u2028два\u0085три\x0bчетыре"
    (corpus / "rus_Cyrl.txt").write_bytes(f"{text}\nпять\n".encode())
    for output_format in ("parquet", "jsonl"):
        output = tmp_path / output_format
        romanize_corpus(corpus, output, output_format=output_format)
        assert [row["text"] for row in read(output)] == [text, "пять"]
        assert [row["romanized"] for row in read(output)] == [romanize_by_uroman(text), "pyat"]


def test_what_cannot_be_romanised_is_left_out_and_counted(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "zho_Hans.txt").write_text("中文\n三分之\n\u0301\u0302\n文中\n", encoding="utf-8")
    info = romanize_corpus(corpus, tmp_path / "out")
    assert info["sentences"] == {"zho_Hans": 2}
    assert info["dropped"] == {"zho_Hans": {"no_romanization": 1, "uroman_failed": 1}}
    assert [row["romanized"] for row in read(tmp_path / "out")] == ["zhongwen", "wenzhong"]
    (corpus / "zho_Hans.txt").write_text("三分之\n", encoding="utf-8")
    with pytest.raises(ValueError, match="nothing is left to write.*1 uroman itself fails on it"):
        romanize_corpus(corpus, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("warm_pool")
def test_processes_and_interruptions_change_no_byte(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    romanize_corpus(tiny_corpus, tmp_path / "one", part_bytes=PART_BYTES)
    romanize_corpus(tiny_corpus, tmp_path / "two", part_bytes=PART_BYTES, num_proc=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) > 4

    done = []
    romanize_part = module.romanize_part

    def interrupted(part: object) -> dict[str, int]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(part)
        return romanize_part(part)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "romanize_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        romanize_corpus(tiny_corpus, tmp_path / "three", part_bytes=PART_BYTES)
    assert not (tmp_path / "three").exists()
    resumed = []
    monkeypatch.setattr(module, "romanize_part", lambda part: resumed.append(part) or romanize_part(part))
    romanize_corpus(tiny_corpus, tmp_path / "three", part_bytes=PART_BYTES)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert len(resumed) == len(list((tmp_path / "one").glob("*.parquet"))) - len(done), (
        "finished parts were done again"
    )
    assert not (tmp_path / "three.romanizing").exists()


@pytest.mark.slow
def test_a_killed_run_goes_on(tiny_corpus: Path, tmp_path: Path) -> None:
    romanize_corpus(tiny_corpus, tmp_path / "whole", part_bytes=PART_BYTES)
    killed = tmp_path / "killed"
    arguments, options = (str(tiny_corpus), str(killed)), {"part_bytes": PART_BYTES}
    process = CONTEXT.Process(target=romanize_corpus, args=arguments, kwargs=options)
    process.start()
    parts = tmp_path / "killed.romanizing" / "parts"
    while process.is_alive() and len(list(parts.glob("*.parquet"))) < 2:
        time.sleep(0.005)
    process.kill()
    process.join()
    romanize_corpus(tiny_corpus, killed, part_bytes=PART_BYTES)
    assert contents(killed) == contents(tmp_path / "whole")


def test_language_codes_are_passed_on(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for code in ("rus_Cyrl", "ukr_Cyrl"):
        (corpus / f"{code}.txt").write_text("ее ель Київ\n", encoding="utf-8")
    romanize_corpus(corpus, tmp_path / "out", use_language_codes=True)
    expected = [romanize_by_uroman("ее ель Київ", code) for code in ("rus", "ukr")]
    assert expected[0] != expected[1]
    assert [row["romanized"] for row in read(tmp_path / "out")] == expected


def test_a_finished_output_is_kept_and_another_is_refused(tiny_corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    info = romanize_corpus(tiny_corpus, output)
    before = contents(output)
    assert romanize_corpus(tiny_corpus, output) == info
    with pytest.raises(ValueError, match="use_language_codes: False then, True now"):
        romanize_corpus(tiny_corpus, output, use_language_codes=True)
    assert contents(output) == before
    romanize_corpus(tiny_corpus, output, languages=["rus_Cyrl"], overwrite=True)
    assert list_languages(output) == ["rus_Cyrl"]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("dear")
    with pytest.raises(ValueError, match="no romanised corpus, so it stays"):
        romanize_corpus(tiny_corpus, mine, overwrite=True)
    assert (mine / "thesis.tex").read_text() == "dear"


def test_bad_options_are_refused(tiny_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'parquet' or 'jsonl'"):
        romanize_corpus(tiny_corpus, tmp_path / "out", output_format="csv")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="part_bytes"):
        romanize_corpus(tiny_corpus, tmp_path / "out", part_bytes=0)
    with pytest.raises(ValueError, match="engine 'spark' is unknown"):
        romanize_corpus(tiny_corpus, tmp_path / "out", engine="spark")
    with pytest.raises(FileNotFoundError):
        romanize_corpus(tmp_path / "no such folder", tmp_path / "out")
