from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_mplm.cli.main import main
from hf_mplm.cli.prepare import summary
from hf_mplm.data.store.token_store import load_store
from tests.fixtures import corpus_lines


def prepare(corpus: Path, tokenizer: Path, output: Path, *flags: str) -> int:
    return main(["prepare", "--corpus", str(corpus), "--tokenizer", str(tokenizer), "--output", str(output), *flags])


def test_prints_a_table_and_where_the_store_is(
    tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny_corpus / "swh_Latn.part2.txt").write_bytes(b"\xff\n\nmoja\r\n")
    output = tmp_path / "store"
    flags = ("--chunk_length", "32", "--holdout", "1", "--languages", "swh_Latn", "srp")
    assert prepare(tiny_corpus, tiny_tokenizer_folder, output, *flags) == 0
    store = load_store(output)
    assert store.languages == ["srp_Cyrl", "srp_Latn", "swh_Latn"] and store.info["chunk_length"] == 32
    lines = capsys.readouterr().out.splitlines()
    counts = store.info["languages"]["swh_Latn"]
    row = next(line.split() for line in lines if line.startswith("swh_Latn "))
    assert row[1:6] == [f"{counts[key]:,}" for key in ("sentences", "tokens", "chunks", "holdout_sentences")] + ["2"]
    place = f"{tiny_corpus}/swh_Latn.part2.txt:1"
    assert f"Dropped 1 lines: not valid UTF-8 (first at {place})" in lines
    assert "Dropped 1 lines: nothing but white space" in lines
    assert any(line.startswith("swh_Latn is read from ") and "part2" in line for line in lines)
    assert lines[-1] == f"The token store is in {output}"


def test_a_script_that_the_vocabulary_lacks_is_told_with_its_remedy(
    tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny_corpus / "ell_Grek.txt").write_text("\u13a0\u13b9\u13d3 \u13a0\u13d2\n" * 20, encoding="utf-8")  # Cherokee
    output = tmp_path / "store"
    assert prepare(tiny_corpus, tiny_tokenizer_folder, output) == 0
    told = capsys.readouterr().out
    counts = load_store(output).info["languages"]["ell_Grek"]
    # A sentence is one or two unknown tokens, and all that was written is lost.
    assert counts["unknown_characters"] == 5 * 20 and counts["characters"] == 6 * 20
    assert "ell_Grek (83%" in told and "hf-mplm tokenizer extend --model" in told
    assert load_store(output).info["languages"]["deu_Latn"]["unknown_characters"] < 20
    assert "deu_Latn (" not in told


def test_long_tables_are_cut_but_not_their_totals(tmp_path: Path) -> None:
    keys = ("sentences", "tokens", "chunks", "holdout_sentences", "holdout_tokens", "holdout_chunks")
    numbers = {**dict.fromkeys(keys, 1), "unknown_tokens": 0, "long_sentences": 0}
    languages = {f"l{i:02d}_Latn": {**numbers, "sentences": i} for i in range(60)}
    totals = {key: sum(counts[key] for counts in languages.values()) for key in numbers}
    report = {"dropped": {}, "cleaned": {}, "where": {}, "files": {}}
    lines = summary(
        {"languages": languages, "totals": totals, "report": report, "identity": {"holdout": 0}}
    ).splitlines()
    assert lines[1].startswith("l59_Latn") and lines[40].startswith("l20_Latn")
    assert lines[41].startswith("... and 20 more") and lines[42].split()[:3] == ["all", "60", "1,770"]


def test_errors_are_one_message(
    tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(tmp_path / "nowhere", tiny_tokenizer_folder, tmp_path / "store") == 2
    assert "hf-mplm prepare: error:" in (error := capsys.readouterr().err) and "no such folder" in error
    (tiny_corpus / "swahili_Latn.txt").write_text("x\n")
    assert prepare(tiny_corpus, tiny_tokenizer_folder, tmp_path / "store") == 2
    assert "swahili_Latn.txt" in (error := capsys.readouterr().err) and "nearest" in error
    assert prepare(tiny_corpus, tiny_corpus, tmp_path / "store", "--languages", "swh_Latn") == 2
    assert "holds no tokenizer" in capsys.readouterr().err
    assert not list(tmp_path.glob("store*"))


def test_recipe_keys_are_flags(
    tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text("chunk_length: 16\nlanguages: [swh_Latn]\n")
    assert (
        prepare(tiny_corpus, tiny_tokenizer_folder, tmp_path / "store", "--config", str(tmp_path / "recipe.yaml")) == 0
    )
    assert load_store(tmp_path / "store").info["chunk_length"] == 16


def test_a_named_language_without_a_sentence_shows_in_the_exit_status(
    tiny_tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    rows = '{"text": "moja mbili", "language": "sw"}\n{"text": "x", "language": "und"}\n'
    (corpus / "rows.jsonl").write_text(rows * 3)
    (corpus / "notes.docx").write_bytes(b"PK")
    flags = ("--languages", "swh_Latn", "zul_Latn")
    # Also where the store is there already.
    for _ in range(2):
        assert prepare(corpus, tiny_tokenizer_folder, tmp_path / "store", *flags) == 1
        printed = capsys.readouterr()
        assert "no sentence of zul_Latn, which --languages names; what is written holds the others" in printed.err
        unknown = "Dropped 3 lines: the language is no code, or one that names none (und, mul, zxx, mis)"
        assert f"{unknown} (first at {corpus}/rows.jsonl:2 (und)" in printed.out
        assert f"Passed over 1 file, no kind of file that is read (.docx): {corpus}/notes.docx" in printed.out
    store = load_store(tmp_path / "store")
    assert store.languages == ["swh_Latn"] and store.info["report"]["passed_over"] == {
        f"{corpus}/notes.docx": "no kind of file that is read (.docx)"
    }
    assert prepare(corpus, tiny_tokenizer_folder, tmp_path / "all", "--languages", "sw") == 0
    # Where none of them is there, nothing stands under the name of the output.
    assert prepare(corpus, tiny_tokenizer_folder, tmp_path / "none", "--languages", "zul_Latn") == 2
    assert "no sentence" in capsys.readouterr().err and not (tmp_path / "none").exists()


@pytest.mark.parametrize("verb", ["romanize", "tokenizer"])
def test_so_it_does_for_the_other_verbs_that_read_a_corpus(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if verb == "romanize":
        pytest.importorskip("uroman")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    lines = [line for code, line in corpus_lines("swh_Latn")]
    rows = "".join(json.dumps({"text": line, "language": "sw"}) + "\n" for line in lines)
    (corpus / "rows.jsonl").write_text(rows)
    (corpus / "notes.docx").write_bytes(b"PK")
    command = [verb] if verb == "romanize" else [verb, "train", "--vocab_size", "120"]
    flags = ["--corpus", str(corpus), "--output", str(tmp_path / "out"), "--languages", "swh_Latn", "zul_Latn"]
    assert main([*command, *flags]) == 1
    printed = capsys.readouterr()
    assert "no sentence of zul_Latn" in printed.err and f"{corpus}/notes.docx" in printed.out
    assert main([*command, *flags[:3], str(tmp_path / "none"), "--languages", "zul_Latn"]) == 2
    assert not (tmp_path / "none").exists()
