from __future__ import annotations

import numpy as np
import pytest

from hf_mplm.evaluation.benchmarks.bible import BibleCorpus
from hf_mplm.evaluation.benchmarks.flores import FloresCorpus
from hf_mplm.evaluation.benchmarks.tatoeba import TatoebaCorpus
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.evaluation.files.layouts import DataError
from hf_mplm.evaluation.kinds import retrieval
from hf_mplm.evaluation.runner import evaluate


class LookupEncoder:
    """An encoder from outside: a vector of letters, drawn once a word."""

    name, revision, layer = "lookup", "v1", -1

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode(self, texts, *, progress=False):
        self.calls.append(list(texts))
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> np.ndarray:
        words = [np.random.default_rng(sum(word.encode())).normal(size=16) for word in text.split()]
        return np.mean(words, axis=0).astype(np.float32)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def data(tmp_path):
    english = ["one two", "three four", "five six", "seven eight"]
    swahili = ["one mbili", "three nne", "five sita", "saba nane"]
    thai = ["หนึ่ง สอง", "สาม สี่", "ห้า หก", "เจ็ด แปด"]
    for code, sentences in (("swh", swahili), ("tha", thai)):
        write(tmp_path / f"tatoeba/tatoeba.{code}-eng.{code}", "\n".join(sentences))
        write(tmp_path / f"tatoeba/tatoeba.{code}-eng.eng", "\n".join(english))
    for code, sentences in (("eng_Latn", english), ("swh_Latn", swahili), ("tha_Thai", thai)):
        rows = [f"{number}\ttravel\t{sentence}" for number, sentence in enumerate(sentences)]
        write(tmp_path / f"sib200/{code}/test.tsv", "\n".join(["index_id\tcategory\ttext", *rows]))
        verses = [f"4000100{number}\t{sentence}" for number, sentence in enumerate(sentences)]
        write(tmp_path / f"bible/{code}.tsv", "\n".join(verses))
    return tmp_path


@pytest.mark.parametrize("task", ["tatoeba", "flores", "bible"])
def test_an_encoder_from_outside_is_measured(task, data):
    rows = evaluate(LookupEncoder(), task, data, directions=["source->target", "target->source"])
    targets = {row.language for row in rows}
    assert targets == {"swh_Latn", "tha_Thai"}
    assert {row.metric for row in rows} == {"accuracy@1", "accuracy@5", "accuracy@10", "f1"}
    assert {row.direction for row in rows} == {"source->target", "target->source"}
    assert all(row.source_language == "eng_Latn" and row.n == 4 and row.layer == -1 for row in rows)
    forward = [row for row in rows if row.metric == "accuracy@1" and row.direction == "source->target"]
    assert {row.language: row.value for row in forward}["swh_Latn"] == 0.75


def test_a_benchmark_is_opened_for_its_languages_and_once_for_the_run(data, monkeypatch):
    opened, init = [], TatoebaCorpus.__init__
    monkeypatch.setattr(TatoebaCorpus, "__init__", lambda self, folder: (opened.append(folder), init(self, folder))[1])
    assert len(evaluate(LookupEncoder(), "tatoeba", data)) > 0
    assert opened == [data, data]


@pytest.mark.parametrize("group_size", [2, 8, 10_000])
@pytest.mark.parametrize(("task", "times"), [("flores", 1), ("bible", 1)])
def test_equal_english_sides_are_encoded_once(group_size, task, times, data, monkeypatch):
    monkeypatch.setattr(retrieval, "SENTENCES_PER_GROUP", group_size)
    encoder = LookupEncoder()
    rows = evaluate(encoder, task, data)
    texts = [text for call in encoder.calls for text in call]
    assert texts.count("one two") == times
    assert len(encoder.calls) == (1 if group_size == 10_000 else 2)
    assert rows == evaluate(LookupEncoder(), task, data)


def test_memory_does_not_grow_with_the_number_of_languages(data, monkeypatch):
    codes = ["deu", "fra", "ita", "spa", "por", "nld", "swe", "fin", "est", "pol"]
    for number, code in enumerate(codes):
        write(data / f"tatoeba/tatoeba.{code}-eng.{code}", "\n".join(f"w{number} {line}" for line in "abcd"))
        write(data / f"tatoeba/tatoeba.{code}-eng.eng", "\n".join(f"e{number} {line}" for line in "abcd"))
    monkeypatch.setattr(retrieval, "SENTENCES_PER_GROUP", 16)
    encoder = LookupEncoder()
    evaluate(encoder, "tatoeba", data)
    assert max(map(len, encoder.calls)) <= 16


def test_other_sources_are_joined_by_their_english(data):
    write(data / "tatoeba/tatoeba.tha-eng.eng", "three four\none two\nunknown\nfive six")
    pair = TatoebaCorpus(data).pair("swh_Latn", "tha_Thai")
    assert list(pair.source) == ["three nne", "one mbili", "five sita"]
    assert list(pair.target) == ["หนึ่ง สอง", "สาม สี่", "เจ็ด แปด"]


def test_verses_are_aligned_by_id(data):
    write(data / "bible/swh_Latn.tsv", "40001002\tfive sita\n40001000\tone mbili\n40009009\tnot in English")
    pair = BibleCorpus(data).pair("eng_Latn", "swh_Latn")
    assert sorted(zip(pair.source, pair.target)) == [("five six", "five sita"), ("one two", "one mbili")]


def test_english_verses_come_from_taxi1500_where_there_are_no_others(data):
    (data / "bible/eng_Latn.tsv").unlink()
    for split, verse in (("train", 0), ("dev", 2), ("test", 3)):
        write(data / f"taxi1500/eng_Latn/{split}.tsv", f"4000100{verse}\tFaith\tverse {verse}")
    pair = BibleCorpus(data).pair("eng_Latn", "swh_Latn")
    assert sorted(pair.source) == ["verse 0", "verse 2", "verse 3"]


def test_the_first_verses_depend_on_neither_language_nor_book(data):
    verses = [f"{book:02d}001{verse:03d}" for book in range(40, 60) for verse in range(50)]
    for code in ("eng_Latn", "swh_Latn", "tha_Thai"):
        write(data / f"bible/{code}.tsv", "\n".join(f"{verse}\t{code} {verse}" for verse in verses))
    corpus = BibleCorpus(data)
    swahili, thai = (corpus.pair("eng_Latn", code).first(100).source for code in ("swh_Latn", "tha_Thai"))
    assert swahili == thai
    assert len({text.split()[1][:2] for text in swahili}) > 10


def test_empty_sentences_are_left_out_and_counted(data):
    write(data / "tatoeba/tatoeba.swh-eng.swh", "one mbili\n \nfive sita\n\n")
    rows = evaluate(LookupEncoder(), "tatoeba", data, "swh_Latn")
    assert {(row.n, row.n_skipped) for row in rows} == {(2, 2)}


@pytest.mark.parametrize(
    ("file", "text", "error", "message"),
    [
        ("tatoeba/tatoeba.swh-eng.eng", "a\nb", DataError, r"swh has 4 lines, but .*eng has 2"),
        ("tatoeba/tatoeba.swh-eng.swh", "", DataError, "has 0 lines|is empty"),
        ("bible/swh_Latn.tsv", "1\ta\n1\tb", DataError, r"swh_Latn\.tsv:2 repeats the id '1'"),
        ("sib200/swh_Latn/test.tsv", "index_id\tcategory\ttext\n", DataError, "has no items"),
        ("sib200/swh_Latn/test.tsv", "index_id\ttext\n1\n", DataError, r"test\.tsv:2 has 1 fields"),
    ],
)
def test_faulty_files_are_found_before_anything_is_encoded(data, file, text, error, message):
    write(data / file, text)
    task = {"tatoeba": "tatoeba", "bible": "bible", "sib200": "flores"}[file.split("/")[0]]
    encoder = LookupEncoder()
    with pytest.raises(error, match=message):
        evaluate(encoder, task, data)
    assert encoder.calls == []


def test_missing_languages_are_reported_and_never_zero(data, tmp_path, caplog):
    asked = ["eng_Latn", "swh_Latn", "yor_Latn", "wol_Latn"]
    rows = evaluate(LookupEncoder(), "tatoeba", data, asked, tmp_path / "run")
    assert {row.language for row in rows} == {"swh_Latn"}
    # One line a reason. English is what is retrieved from, and lacks nothing.
    assert "skipped tatoeba yor_Latn, wol_Latn: " in caplog.text
    skipped = [record.getMessage() for record in caplog.records if "skipped" in record.getMessage()]
    assert len(skipped) == 1 and "eng_Latn" not in skipped[0]
    assert "yor_Latn" in (tmp_path / "run/results.json").read_text()


def test_few_sentences_are_warned_of(data, caplog):
    evaluate(LookupEncoder(), "tatoeba", data, "swh_Latn")
    assert "tatoeba: eng_Latn shares few sentences with swh_Latn (4)" in caplog.text
    caplog.clear()
    # Whoever asks for few does not need to be told.
    evaluate(LookupEncoder(), "tatoeba", data, "swh_Latn", max_sentences={"tatoeba": 3})
    assert "few sentences" not in caplog.text


def test_flores_own_files_are_aligned_by_line(data):
    for code in ("eng_Latn", "swh_Latn"):
        write(data / f"flores/devtest/{code}.devtest", "a\nb\nc")
    corpus = FloresCorpus(data)
    assert corpus.languages() == ["eng_Latn", "swh_Latn"]
    assert list(corpus.pair("eng_Latn", "swh_Latn").source) == ["a", "b", "c"]
    write(data / "flores/devtest/swh_Latn.devtest", "a\nb")
    with pytest.raises(DataError, match="has 3 lines, but .* has 2"):
        FloresCorpus(data).pair("eng_Latn", "swh_Latn")
    with pytest.raises(MissingDataError):
        corpus.pair("eng_Latn", "tha_Thai")
