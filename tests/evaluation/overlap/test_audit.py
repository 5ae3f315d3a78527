"""Planted leaks are found, wherever they stand, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hf_mplm.cli.main import main
from hf_mplm.data.store.pair_store import prepare_pair_store
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.evaluation.overlap.audit import audit
from hf_mplm.evaluation.overlap.training_text import StoreText
from hf_mplm.sample import iter_sample, write_benchmark
from tests.fixtures import corpus_lines


LANGUAGES = ("eng_Latn", "arb_Arab", "zho_Hans", "tha_Thai")
LEAKED = 12


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_benchmark(tmp_path_factory.mktemp("data"), LANGUAGES)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text of the UDHR, with test sentences between: as lines, within lines, across lines, and in a wrong language."""
    folder = tmp_path_factory.mktemp("corpus")
    between = [line for _, line in corpus_lines("eng_Latn")]
    for language in LANGUAGES:
        leaked = [row.text for row in iter_sample([language], split="test")][:LEAKED]
        lines = list(between)
        for number, text in enumerate(leaked):
            middle = len(text) // 2
            planted = [[text], [f"{between[0]} {text} {between[1]}"], [text[:middle], text[middle:]]][number % 3]
            lines[2 * number : 2 * number] = planted
        name = "deu_Latn" if language == "eng_Latn" else language
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def found(report) -> dict[tuple[str, str], int]:
    return {(row.task, row.language): round(row.exact * (row.n - row.n_skipped)) for row in report.rows}


EXPECTED = {(task, language): LEAKED for task in ("sib200", "flores") for language in LANGUAGES}


def test_all_leaks_in_a_corpus_are_found(data_dir: Path, corpus: Path) -> None:
    report = audit(data_dir, corpus=corpus)
    assert found(report) == EXPECTED
    assert all(row.exact <= row.half <= row.any for row in report.rows)
    first = next(iter_sample(["tha_Thai"], split="test")).text
    assert report.examples["sib200"]["tha_Thai"][0] == first
    clean = audit(data_dir, corpus=Path(__file__).parents[2] / "assets" / "udhr", tasks="sib200")
    assert not any(row.any for row in clean.rows) and clean.letters_read > 1000


@pytest.mark.parametrize("kind", ["token store", "pair store"])
def test_all_leaks_in_a_store_are_found(
    kind: str, data_dir: Path, corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    prepare = prepare_store if kind == "token store" else prepare_pair_store
    # Shorter than the sentences, so that each goes on in the next row.
    more = {"chunk_length": 24} if kind == "token store" else {}
    prepare(corpus, tiny_tokenizer_folder, tmp_path / "store", **more)
    report = audit(data_dir, store=tmp_path / "store", tasks="sib200")
    by_language = {row.language: row for row in report.rows}
    # The small tokenizer knows few characters of Chinese: what is left of a sentence there is too short.
    assert by_language.pop("zho_Hans").n_short > 100
    assert {code: round(row.exact * (row.n - row.n_skipped)) for code, row in by_language.items()} == dict.fromkeys(
        ("arb_Arab", "eng_Latn", "tha_Thai"), LEAKED
    )
    if kind == "token store":
        # Vacuity guard: row by row, a sentence that two rows share is not found.
        monkeypatch.setattr(StoreText, "lines", row_by_row)
        assert sum(found(audit(data_dir, store=tmp_path / "store", tasks="sib200")).values()) < 10


def row_by_row(self: StoreText) -> Iterator[tuple[str, list[str]]]:
    for number, row in enumerate(self.rows):
        yield str(number), self.decode([row["input_ids"]])


def test_what_is_held_out_is_no_training_text(data_dir: Path, tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    texts = [row.text for row in iter_sample(["eng_Latn"], split="test")]
    (folder / "eng_Latn.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    prepare_store(folder, tiny_tokenizer_folder, tmp_path / "store", holdout=5)
    (row,) = audit(data_dir, store=tmp_path / "store", tasks="sib200", languages="eng_Latn").rows
    assert round(row.exact * row.n) == row.n - 5


def test_the_verb_writes_a_table_and_its_status_says_whether_there_are_leaks(
    data_dir: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["audit", "--data_dir", str(data_dir), "--corpus", str(corpus), "--output", str(tmp_path / "out")]
    assert main(command) == 1
    told = capsys.readouterr()
    assert "sib200        tha_Thai" in told.out and "left out: tatoeba" in told.err
    assert main([*command, "--tolerate", "0.5"]) == 0
    table = pq.read_table(tmp_path / "out" / "overlap.parquet").to_pylist()
    said = json.loads((tmp_path / "out" / "overlap.json").read_text(encoding="utf-8"))
    assert table == said["rows"] and len(table) == 2 * len(LANGUAGES)
    assert {"flores", "sib200"} == set(said["examples"])
    assert main(["audit", "--data_dir", str(data_dir)]) == 2
    assert "--store STORE or --corpus DIR" in capsys.readouterr().err
    assert main([*command, "--tasks", "xnli"]) == 2
    assert "xnli" in capsys.readouterr().err
