from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_mplm.data.romanization.romanizer import Romanizer
from hf_mplm.data.store.pair_store import load_pair_store, prepare_pair_store
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.data.store.token_store import load_store


pytest.importorskip("uroman")


def write(folder: Path, **texts: list[str]) -> Path:
    folder.mkdir()
    for code, lines in texts.items():
        (folder / f"{code}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def content(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*.arrow"))}


GREEK = ["όλοι οι άνθρωποι γεννιούνται", "ελεύθεροι και ίσοι", "στην αξιοπρέπεια"]
GERMAN = ["alle Menschen sind frei", "und gleich an Würde"]


def test_a_row_is_a_sentence_and_its_romanisation(tiny_tokenizer, tmp_path):
    corpus = write(tmp_path / "corpus", ell_Grek=GREEK, deu_Latn=GERMAN)
    store = prepare_pair_store(corpus, tiny_tokenizer, tmp_path / "pairs")
    assert store.languages == ["deu_Latn", "ell_Grek"]
    romanizer = Romanizer()
    expected = [
        (tiny_tokenizer(text)["input_ids"], tiny_tokenizer(romanizer([text])[0])["input_ids"], label)
        for label, lines in enumerate((GERMAN, GREEK))
        for text in lines
    ]
    found = [(row["input_ids"], row["romanized_input_ids"], row["language"]) for row in store.train]
    assert found == expected
    counts = store.info["languages"]
    # Latin text is kept, and counted where it romanises as itself.
    assert counts["deu_Latn"]["pairs"] == 2 and counts["deu_Latn"]["unchanged"] == 1
    assert counts["ell_Grek"]["unchanged"] == 0 and store.info["totals"]["pairs"] == 5
    store.check_tokenizer(tiny_tokenizer)


def test_what_romanises_to_nothing_is_left_out_and_counted(tiny_tokenizer, tmp_path, monkeypatch):
    corpus = write(tmp_path / "corpus", ell_Grek=[*GREEK, "\u200d\u200d"], zho_Hani=["三分之", "人人"])
    monkeypatch.setattr(
        "hf_mplm.data.store.pair_reader._romanizer", lambda codes: _Silent(Romanizer(on_error="empty"), "ίσοι")
    )
    store = prepare_pair_store(corpus, tiny_tokenizer, tmp_path / "pairs")
    dropped = store.info["report"]["dropped"]
    assert dropped["zho_Hani"] == {"uroman_failed": 1}
    assert dropped["ell_Grek"]["no_romanization"] >= 1
    kept = store.info["languages"]["ell_Grek"]["pairs"]
    assert kept == sum(row["language"] == store.languages.index("ell_Grek") for row in store.train)
    assert kept + sum(dropped["ell_Grek"].values()) == 4


class _Silent:
    """A romaniser of which nothing is left of texts that have `word`."""

    def __init__(self, romanizer: Romanizer, word: str) -> None:
        self.romanizer, self.word = romanizer, word

    @property
    def counts(self):
        return self.romanizer.counts

    def __call__(self, texts, languages=None):
        return ["  " if self.word in text else self.romanizer([text], languages)[0] for text in texts]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_romanised_corpus_is_taken_as_it_is(kind, tiny_tokenizer, tmp_path):
    rows = [
        {"text": GREEK[0], "romanized": "something else", "language": "ell_Grek"},
        {"text": GREEK[1], "romanized": None, "language": "ell_Grek"},
        {"text": GERMAN[0], "romanized": GERMAN[0], "language": "deu_Latn"},
        {"text": None, "romanized": "lost", "language": "ell_Grek"},
    ]
    folder = tmp_path / "corpus"
    folder.mkdir()
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), folder / "part.parquet")
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "part.jsonl").write_text(text, encoding="utf-8")
    store = prepare_pair_store(folder, tiny_tokenizer, tmp_path / "pairs")
    found = {tuple(row["romanized_input_ids"]) for row in store.train}
    assert found == {tuple(tiny_tokenizer(text)["input_ids"]) for text in ("something else", GERMAN[0])}
    reasons = [reason for counts in store.info["report"]["dropped"].values() for reason in counts]
    assert sorted(reasons) == ["missing_text", "no_romanization"]


@pytest.mark.parametrize("first", ["given", "missing"])
def test_romanisations_are_judged_row_by_row(first, tiny_tokenizer, tmp_path):
    given = {"text": GREEK[0], "romanized": "something else", "language": "ell_Grek"}
    missing = {"text": GREEK[1], "language": "ell_Grek"}
    bad = ["[" * 100_000, '{"text": "a", "text": "b", "language": "ell_Grek"}', '{"text": "x", "language": "und"}']
    rows = [given, missing] if first == "given" else [missing, given]
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "rows.jsonl").write_text("\n".join([*map(json.dumps, rows), *bad]), encoding="utf-8")
    store = prepare_pair_store(folder, tiny_tokenizer, tmp_path / "pairs")
    found = {tuple(row["romanized_input_ids"]) for row in store.train}
    assert found == {
        tuple(tiny_tokenizer(text)["input_ids"]) for text in ("something else", Romanizer()([GREEK[1]])[0])
    }
    # What is no JSON is called so, as it is where there are no romanisations.
    assert store.info["report"]["dropped"] == {"unknown": {"invalid_json": 2, "unknown_language": 1}}


@pytest.mark.usefixtures("warm_pool")
def test_the_same_bytes_for_any_cut_and_number_of_processes(tiny_tokenizer_folder, tiny_corpus, tmp_path):
    one = prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "one", holdout=1)
    two = prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "two", holdout=1, num_proc=2)
    assert content(one.path) == content(two.path)
    cut = prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "cut", holdout=1, part_bytes=500)
    assert cut.train.to_dict() == one.train.to_dict() and cut.holdout.to_dict() == one.holdout.to_dict()


def test_held_out_pairs_are_not_trained_on(tiny_tokenizer_folder, tiny_corpus, tmp_path):
    store = prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "pairs", holdout=1)
    train, held = ({tuple(row["input_ids"]) for row in rows} for rows in (store.train, store.holdout))
    assert held and not train & held
    chunks = prepare_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "chunks", holdout=1)
    assert {tuple(row["input_ids"]) for row in chunks.holdout} >= held, "the same sentences as a token store's"


def test_long_sentences_are_cut_before_their_end_and_counted(tiny_tokenizer, tmp_path):
    corpus = write(tmp_path / "corpus", ell_Grek=[GREEK[0] * 5, GREEK[2]])
    store = prepare_pair_store(corpus, tiny_tokenizer, tmp_path / "pairs", chunk_length=20)
    whole = tiny_tokenizer(GREEK[0] * 5)["input_ids"]
    assert store.train[0]["input_ids"] == [*whole[:19], tiny_tokenizer.eos_token_id]
    assert len(store.train[0]["romanized_input_ids"]) == 20
    assert store.train[1]["input_ids"] == tiny_tokenizer(GREEK[2])["input_ids"]
    assert store.info["totals"]["long_sentences"] == 1
    assert store.train["was_cut"][:] == [True, False]


def test_counts_leave_out_what_is_held_out(tiny_tokenizer_folder, tiny_corpus, tmp_path):
    info, train, held = (
        (store := prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "pairs", holdout=2)).info,
        store.train,
        store.holdout,
    )
    for rows, prefix in ((train, ""), (held, "holdout_")):
        assert info["totals"][f"{prefix}pairs"] == len(rows)
        assert info["totals"][f"{prefix}tokens"] == sum(map(len, rows["input_ids"]))
        assert info["totals"][f"{prefix}romanized_tokens"] == sum(map(len, rows["romanized_input_ids"]))
    whole = prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "whole").info["totals"]
    assert info["totals"]["characters"] < whole["characters"] and info["totals"]["unchanged"] < whole["unchanged"]


def test_an_interrupted_store_is_continued(tiny_tokenizer_folder, tiny_corpus, tmp_path, monkeypatch):
    from hf_mplm.data.store import pair_store

    done = []
    real = pair_store.run_tasks

    def stop_after_two(function, tasks, **kwargs):
        for number, result in enumerate(real(function, tasks, **kwargs)):
            done.append(len(tasks))
            yield result
            if number == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(pair_store, "run_tasks", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "pairs", part_bytes=2000)
    assert not (tmp_path / "pairs").exists()
    monkeypatch.setattr(
        pair_store, "run_tasks", lambda function, tasks, **kw: done.append(len(tasks)) or real(function, tasks, **kw)
    )
    store = prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "pairs", part_bytes=2000)
    assert done[-1] == done[0] - 2 > 0
    whole = prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "whole", part_bytes=2000)
    assert content(store.path) == content(whole.path)


def test_what_is_no_pair_store_is_refused(tiny_tokenizer_folder, tiny_corpus, tmp_path):
    chunks = prepare_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "chunks")
    pairs = prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "pairs")
    with pytest.raises(ValueError, match="a token store, which is for `hf-mplm pretrain .*hf-mplm prepare --romanize"):
        load_pair_store(chunks.path)
    with pytest.raises(
        ValueError, match="a pair store, which is for `hf-mplm align-scripts .*hf-mplm prepare --corpus"
    ):
        load_store(pairs.path)
    with pytest.raises(FileNotFoundError, match="--romanize"):
        load_pair_store(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="chunk_length: 512 then, 64 now"):
        prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, pairs.path, chunk_length=64)
    with pytest.raises(ValueError, match="no sentence"):
        prepare_pair_store(write(tmp_path / "empty", ell_Grek=[" "]), tiny_tokenizer_folder, tmp_path / "x")


def test_never_under_a_launcher(tiny_tokenizer_folder, tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="torchrun or accelerate launch"):
        prepare_pair_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "pairs")
