from __future__ import annotations

import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value

from hf_mplm.evaluation.files.conllu import read_conllu, universal_relation
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.evaluation.files.layouts import DataError
from hf_mplm.evaluation.files.treebanks import Treebanks


def line(number, form, tag="NOUN", head="0", relation="root"):
    return "\t".join([str(number), form, form.lower(), tag, "_", "_", str(head), relation, "_", "_"])


FUSED = "\n".join(
    [
        "# sent_id = 1",
        "# text = Il va au parc .",
        line(1, "Il", "PRON", 2, "nsubj"),
        line(2, "va", "VERB", 0, "root"),
        line("3-4", "au", "_", "_", "_"),
        line(3, "à", "ADP", 5, "case"),
        line(4, "le", "DET", 5, "det"),
        line(5, "parc", "NOUN", 2, "obl:mod"),
        line("5.1", "va", "VERB", "_", "_"),
        line(6, ".", "PUNCT", 2, "punct"),
    ]
)


def write(tmp_path, text, name="fr_gsd-ud-test.conllu"):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("end", ["\n\n", "\n", ""], ids=["blank line", "line", "nothing"])
def test_fused_words_and_empty_nodes_are_left_out(end, tmp_path):
    (tree,) = read_conllu(write(tmp_path, "\n\n" + FUSED + end))
    assert tree.words == ["Il", "va", "à", "le", "parc", "."]
    assert tree.tags == ["PRON", "VERB", "ADP", "DET", "NOUN", "PUNCT"]
    assert tree.heads == [2, 0, 5, 5, 2, 2]
    assert tree.relations == ["nsubj", "root", "case", "det", "obl:mod", "punct"]
    assert tree.place.endswith("fr_gsd-ud-test.conllu:5")
    assert universal_relation("obl:mod") == "obl"


def test_sentences_are_told_apart_with_any_line_ends(tmp_path):
    text = "\n\n\n".join([FUSED, FUSED]).replace("\n", "\r\n")
    assert [tree.words for tree in read_conllu(write(tmp_path, text))] == [["Il", "va", "à", "le", "parc", "."]] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\ta\tb", ":1 has 3 columns instead of 10"),
        (line(1, "a") + "\n" + line(3, "b"), ":2 has the id '3' where word 2 is due"),
        (line(1, "a") + "\n" + line(2, "b", head=3), ":2 has the head 3, but the sentence has 2 words"),
        (line(1, "a", head="_") + "\n" + line(2, "b"), ":1 has the head '_', which is no number of a word"),
        ("# text = a\n" + line("1-2", "a"), ":2 begins a sentence without words"),
        ("# nothing\n\n", "has no sentences"),
    ],
)
def test_faults_name_file_and_line(text, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_conllu(write(tmp_path, text))


def test_a_treebank_without_its_text_is_refused(tmp_path):
    text = FUSED + "\n\n" + "\n".join(line(n, "_", head=n - 1) for n in (1, 2, 3))
    with pytest.raises(MissingDataError, match=":12 has no text"):
        read_conllu(write(tmp_path, text))
    # An underscore alone may be what was written.
    assert len(read_conllu(write(tmp_path, FUSED + "\n\n" + line(1, "_")))) == 2


def test_treebanks_are_found_by_language_and_split(tmp_path):
    for name in ("fr_gsd-ud-test", "UD_French-Sequoia/fr_sequoia-ud-test", "fr_gsd-ud-dev", "xx_no-ud-test", "notes"):
        write(tmp_path, FUSED, f"{name}.conllu")
    russian = "\n".join([line(1, "мама", head=2, relation="nsubj"), line(2, "мыла"), line(3, "раму", head=2)])
    write(tmp_path, russian, "ru_gsd-ud-test.conllu")
    treebanks = Treebanks(tmp_path)
    assert treebanks.languages() == ["fra_Latn", "rus_Cyrl"]
    assert len(treebanks.trees("fra_Latn", "test")) == 2
    assert len(treebanks.trees("fra_Latn", "dev")) == 1
    with pytest.raises(MissingDataError, match="no train treebank of fra_Latn"):
        treebanks.trees("fra_Latn", "train")
    assert Treebanks(tmp_path / "absent").languages() == []


def test_the_hubs_tables_give_the_same_trees(tmp_path):
    (expected,) = read_conllu(write(tmp_path, FUSED))
    upos = ["DET", "NOUN", "PRON", "VERB", "_", "ADP", "PUNCT"]
    rows = {
        "tokens": [["Il", "va", "au", "à", "le", "parc", "va", "."]],
        "upos": [[upos.index(tag) for tag in ("PRON", "VERB", "_", "ADP", "DET", "NOUN", "VERB", "PUNCT")]],
        "head": [["2", "0", "None", "5", "5", "2", "None", "2"]],
        "deprel": [["nsubj", "root", "_", "case", "det", "obl:mod", "_", "punct"]],
    }
    strings = Sequence(Value("string"))
    columns = {"tokens": strings, "upos": Sequence(ClassLabel(names=upos)), "head": strings, "deprel": strings}
    folder = tmp_path / "hub" / "ud" / "fr_gsd"
    (folder / "test").mkdir(parents=True)
    for name in ("validation-00000-of-00001.parquet", "test/0000.parquet"):
        Dataset.from_dict(rows, features=Features(columns)).to_parquet(folder / name)
    treebanks = Treebanks(tmp_path / "hub" / "ud")
    assert treebanks.languages() == ["fra_Latn"]
    for split in ("dev", "test"):
        (tree,) = treebanks.trees("fra_Latn", split)
        assert tree[:4] == expected[:4]
    wrong = {**rows, "head": [["2", "0", "None", "5", "7", "2", "None", "2"]]}
    Dataset.from_dict(wrong, features=Features(columns)).to_parquet(folder / "test" / "0000.parquet")
    with pytest.raises(DataError, match="0000.parquet:1 has the head '7', but the sentence has 6 words"):
        treebanks.trees("fra_Latn", "test")


def test_real_treebanks(shared_data):
    treebanks = Treebanks(shared_data / "ud")
    assert {"eng_Latn", "uig_Arab", "wol_Latn", "yor_Latn"} <= set(treebanks.languages())
    path = shared_data / "ud" / "wo_wtb-ud-test.conllu"
    words = [row for row in path.read_text(encoding="utf-8").split("\n") if row.split("\t")[0].isdigit()]
    trees = treebanks.trees("wol_Latn", "test")
    assert sum(len(tree.words) for tree in trees) == len(words)
    assert all(tree.heads.count(0) == 1 for tree in trees)
