"""What a benchmark's folder holds is used, refused with its place, or reported: never lost, never a traceback."""

from __future__ import annotations

import json
import os
import random

import pytest

from hf_mplm.evaluation.benchmarks.ner import NerTask
from hf_mplm.evaluation.benchmarks.tatoeba import TatoebaCorpus
from hf_mplm.evaluation.benchmarks.tydiqa import TyDiQaCorpus
from hf_mplm.evaluation.benchmarks.xnli import XnliCorpus
from hf_mplm.evaluation.benchmarks.xquad import XQuadCorpus
from hf_mplm.evaluation.files.corpus import MissingDataError, RefusedDataError
from hf_mplm.evaluation.files.layouts import DataError
from hf_mplm.evaluation.files.records import read_file
from hf_mplm.evaluation.files.squad import read_questions
from hf_mplm.evaluation.files.tagged import read_tagged_files
from hf_mplm.evaluation.files.treebanks import Treebanks


ROW = "1\tСлово\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n"


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def squad(answer="Nairobi"):
    qas = [{"id": "swahili-1", "question": "Mji?", "answers": [{"text": answer, "answer_start": 14}]}]
    return json.dumps({"data": [{"paragraphs": [{"context": "Mji mkuu ni: Nairobi.", "qas": qas}]}]})


def test_a_language_with_a_broken_byte_is_listed_and_its_line_named(tmp_path):
    put(tmp_path / "tatoeba/tatoeba.spa-eng.spa", b"hola\nni\xf1o\n")
    put(tmp_path / "tatoeba/tatoeba.spa-eng.eng", "hello\nchild\n")
    put(tmp_path / "tatoeba/tatoeba.fra-deu.fra", "salut\n")
    os.mkfifo(tmp_path / "tatoeba/tatoeba.fin-eng.fin")
    corpus = TatoebaCorpus(tmp_path)
    assert corpus.languages() == ["spa_Latn"]
    with pytest.raises(DataError, match=r"tatoeba\.spa-eng\.spa:2 is not UTF-8"):
        corpus.pair("eng_Latn", "spa_Latn")
    reasons = {entry.path.rsplit("/", 1)[1]: entry.reason for entry in corpus.passed_over}
    assert "'deu', not English" in reasons["tatoeba.fra-deu.fra"]
    assert "pipe" in reasons["tatoeba.fin-eng.fin"]


def test_withheld_answers_are_refused_and_no_misses(tmp_path):
    put(tmp_path / "tydiqa/tydiqa.goldp.sw.dev.json", squad(""))
    with pytest.raises(RefusedDataError, match="answers are withheld") as caught:
        TyDiQaCorpus(tmp_path).examples("swh_Latn", "test")
    assert isinstance(caught.value, MissingDataError) and isinstance(caught.value, DataError)
    header = "language\tgold_label\tsentence1\tsentence2\n"
    put(tmp_path / "xnli/xnli.test.tsv", header + "zh\t-\t学习\t学\nen\tneutral\ta\tb\nen\t-\ta\tb\n")
    corpus = XnliCorpus(tmp_path)
    assert corpus.languages() == ["eng_Latn", "zho_Hans"]
    assert len(corpus.examples("eng_Latn", "test")) == 1
    with pytest.raises(RefusedDataError, match="labels are withheld"):
        corpus.examples("zho_Hans", "test")


def test_parts_of_a_treebank_are_read_whole(tmp_path):
    for part in "abc":
        put(tmp_path / f"ru_syntagrus-ud-train-{part}.conllu", ROW * 5)
    put(tmp_path / "ru_gsd-ud-train.conllu", ROW)
    put(tmp_path / "qpm_philotis-ud-test.conllu", ROW)
    for name, code in (("no_nynorsk", "nno_Latn"), ("zh_gsd", "zho_Hant"), ("zh_gsdsimp", "zho_Hans")):
        put(tmp_path / f"{name}-ud-test.conllu", ROW)
        assert code in Treebanks(tmp_path).languages()
    treebanks = Treebanks(tmp_path)
    assert len(treebanks.trees("rus_Cyrl", "train")) == 16
    assert any("qpm" in path and "Pomak" in reason for path, reason in treebanks.passed_over)
    (tmp_path / "ru_syntagrus-ud-train-b.conllu").unlink()
    with pytest.raises(DataError, match="lacks a part"):
        Treebanks(tmp_path).trees("rus_Cyrl", "train")


def test_wikianns_names_mean_what_wikiann_means(tmp_path):
    words = {"be": "Мінск", "be-x-old": "Менск", "hi": "पटना", "bh": "पटना"}
    for name in ("be", "be-x-old", "en", "simple", "hi", "bh", "jv", "map-bms", "als"):
        word = words.get(name, "Berlin")
        put(tmp_path / "ner" / name / "test", f"{name}:{word}\tB-LOC\n{name}:{word}\tO\n\n")
    corpus = NerTask().corpus(tmp_path)
    assert corpus.languages() == ["bel_Cyrl", "bih_Deva", "eng_Latn", "gsw_Latn", "hin_Deva", "jav_Latn"]
    assert corpus.examples("gsw_Latn", "test")[0].words == ["Berlin", "Berlin"]
    assert {entry.path.rsplit("/", 1)[1] for entry in corpus.passed_over} == {"be-x-old", "simple", "map-bms"}


def test_a_byte_order_mark_is_removed_from_json(tmp_path):
    put(tmp_path / "xquad/xquad.en.json", b"\xef\xbb\xbf" + squad().encode())
    assert XQuadCorpus(tmp_path).languages() == ["eng_Latn"]
    assert read_questions([tmp_path / "xquad/xquad.en.json"])[0].answers == ["Nairobi"]


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"a": ' + "1" * 5000 + "}", '{"a": "\\ud800"}', "{", "3", "a\0b".encode("utf-16")]
)
def test_foreign_json_is_an_error_with_its_place(content, tmp_path):
    path = put(tmp_path / "x.jsonl", content)
    with pytest.raises(DataError, match=r"x\.jsonl:1"):
        list(read_file(path, None, False))


def test_a_long_field_is_read(tmp_path):
    path = put(tmp_path / "x.tsv", "id\ttext\n1\t" + "a" * 140_000 + "\n")
    assert len(next(read_file(path, None, True)).values["text"]) == 140_000


@pytest.mark.parametrize("seed", range(60))
def test_damaged_files_give_items_or_one_line(seed, tmp_path):
    draw = random.Random(seed)
    kind, text = draw.choice(
        [("json", squad()), ("conllu", ROW * 3), ("txt", "Berlin B-LOC\nist O\n\n" * 3), ("tsv", 'id\ttext\n1\t"a"\n')]
    )
    raw = bytearray(text.encode())
    for _ in range(draw.randint(1, 4)):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    path = put(tmp_path / f"ru_gsd-ud-test.{kind}", bytes(raw[: draw.randint(0, len(raw))]))
    try:
        if kind == "json":
            found = read_questions([path])
        elif kind == "conllu":
            found = Treebanks(tmp_path).trees("rus_Cyrl", "test")
        elif kind == "txt":
            found = read_tagged_files([path], ("O", "B-LOC"))
        else:
            found = [*read_file(path, None, True), None]
        assert found
    except (DataError, MissingDataError) as error:
        assert str(tmp_path) in str(error)
