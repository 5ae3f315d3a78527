from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path

import pytest

from hf_mplm import sample


def test_enough_languages_and_scripts_in_a_small_file() -> None:
    languages = sample.sample_languages()
    assert len(languages) >= 24
    assert len({code.split("_")[1] for code in languages}) >= 12
    assert (resources.files(sample) / "sib200.parquet").stat().st_size < 6 * 2**20  # type: ignore[attr-defined]
    assert (resources.files(sample) / "ATTRIBUTION.md").is_file()


def test_no_test_sentence_is_in_the_corpus(tmp_path: Path) -> None:
    sample.write_corpus(tmp_path)
    written = {
        line for path in tmp_path.glob("*.txt") for line in path.read_text(encoding="utf-8").split("\n") if line
    }
    held_out = {row.text for split in ("dev", "test") for row in sample.iter_sample(split=split)}
    assert len(written) > 20_000
    assert not written & held_out
    # The benchmark's own training split does overlap: without the filter this test would fail.
    assert {row.text for row in sample.iter_sample(split="train")} & held_out
    # The sentence ids are disjoint, too: no test sentence enters through its translation.
    ids = {split: {row.index_id for row in sample.iter_sample(split=split)} for split in sample.SPLITS}
    assert not ids["train"] & ids["test"] and not ids["train"] & ids["dev"]


def test_the_benchmark_files_are_read_back_as_they_were(tmp_path: Path) -> None:
    sample.write_benchmark(tmp_path, ["tha_Thai", "eng_Latn"])
    with open(tmp_path / "sib200" / "eng_Latn" / "test.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    expected = list(sample.iter_sample(["eng_Latn"], "test"))
    assert [(int(row["index_id"]), row["category"], row["text"]) for row in rows] == [
        (row.index_id, row.category, row.text) for row in expected
    ]
    assert any('"' in row.text for row in sample.iter_sample(["eng_Latn"]))


def test_the_sample_is_the_benchmark(shared_data: Path) -> None:
    for code in ("eng_Latn", "uig_Arab"):
        with open(shared_data / "sib200" / code / "test.tsv", encoding="utf-8", newline="") as file:
            theirs = {(int(row["index_id"]), row["text"]) for row in csv.DictReader(file, delimiter="\t")}
        assert {(row.index_id, row.text) for row in sample.iter_sample([code], "test")} == theirs


def test_an_unknown_language_names_near_ones() -> None:
    with pytest.raises(ValueError, match="tha_Thai"):
        list(sample.iter_sample(["tha_Tha"]))
