from __future__ import annotations

import json
import shutil

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from hf_mplm.evaluation.benchmarks.americasnli import AmericasNliCorpus
from hf_mplm.evaluation.benchmarks.pawsx import PawsXCorpus
from hf_mplm.evaluation.benchmarks.taxi1500 import LABELS as TAXI_LABELS
from hf_mplm.evaluation.benchmarks.taxi1500 import Taxi1500Corpus
from hf_mplm.evaluation.benchmarks.xnli import XnliCorpus
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.evaluation.files.layouts import DataError
from hf_mplm.evaluation.kinds.sentence_pairs import NLI_LABELS
from hf_mplm.evaluation.runner import evaluate


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def tsv(header, rows):
    return "\n".join("\t".join(row) for row in [header, *rows])


@pytest.fixture
def data(tmp_path):
    xnli = [
        ("en", "entailment", "p (parse)", "A man sleeps .", "A person sleeps ."),
        ("de", "contradiction", "p", "Ein Mann schläft .", 'Er "wacht'),
        ("en", "neutral", "p", "Two dogs .", "Two black dogs ."),
    ]
    header = ("language", "gold_label", "sentence1_binary_parse", "sentence1", "sentence2")
    for split in ("dev", "test"):
        write(tmp_path / f"xnli/XNLI-1.0/xnli.{split}.tsv", tsv(header, xnli))
    mnli = [("P one", "H one", "contradictory"), ("P two", "H two", "neutral"), ("P three", "H three", "entailment")]
    write(tmp_path / "xnli/XNLI-MT-1.0/multinli/multinli.train.en.tsv", tsv(("premise", "hypo", "label"), mnli))
    americas = [
        (str(number), "quy", f"premise {number // 3}", f"hypothesis {number}", NLI_LABELS[number % 3])
        for number in range(120)
    ]
    for split in ("dev", "test"):
        write(
            tmp_path / f"americasnli/{split}/quy.tsv",
            tsv(("id", "language", "premise", "hypothesis", "label"), americas),
        )
    return tmp_path


def test_xnli_reads_its_own_files(data):
    corpus = XnliCorpus(data)
    assert corpus.languages() == ["deu_Latn", "eng_Latn"]
    (german,) = corpus.examples("deu_Latn", "test")
    assert (german.text, german.pair, german.label) == ("Ein Mann schläft .", 'Er "wacht', 2)
    assert [example.label for example in corpus.examples("eng_Latn", "dev")] == [0, 1]
    assert [example.label for example in corpus.examples("eng_Latn", "train")] == [2, 1, 0]
    with pytest.raises(MissingDataError, match="no train pairs of deu_Latn"):
        corpus.examples("deu_Latn", "train")


def test_xnli_reads_json_lines_and_the_hubs_parquet(tmp_path):
    line = {"language": "sw", "gold_label": "neutral", "sentence1": "a", "sentence2": "b"}
    write(tmp_path / "one/xnli/xnli.test.jsonl", json.dumps(line))
    assert XnliCorpus(tmp_path / "one").examples("swh_Latn", "test")[0].label == 1
    folder = tmp_path / "two/xnli/sw"
    folder.mkdir(parents=True)
    for names, expected in (([*NLI_LABELS], 2), ([*reversed(NLI_LABELS)], 0)):
        features = Features(
            {"premise": Value("string"), "hypothesis": Value("string"), "label": ClassLabel(names=names)}
        )
        rows = Dataset.from_dict({"premise": ["a"], "hypothesis": ["b"], "label": [2]}, features=features)
        rows.to_parquet(folder / "test-00000-of-00001.parquet")
        corpus = XnliCorpus(tmp_path / "two")
        assert corpus.languages() == ["swh_Latn"]
        # The names decide, not the numbers: AmericasNLI's own code counts the other way round.
        assert corpus.examples("swh_Latn", "test")[0].label == expected


def test_americasnli_takes_xnlis_training_data(data):
    corpus = AmericasNliCorpus(data)
    assert corpus.languages() == ["quy_Latn"]
    assert [example.label for example in corpus.examples("quy_Latn", "test")[:3]] == [0, 1, 2]
    assert corpus.examples("eng_Latn", "train") == XnliCorpus(data).examples("eng_Latn", "train")
    assert corpus.examples("eng_Latn", "dev") == XnliCorpus(data).examples("eng_Latn", "dev")


def test_americasnli_without_xnli_says_what_to_do(data):
    shutil.rmtree(data / "xnli")
    with pytest.raises(MissingDataError, match="put XNLI's there, or .* --source_languages quy_Latn"):
        AmericasNliCorpus(data).examples("eng_Latn", "train")


def test_americasnli_splits_a_dev_set_by_premise(data):
    corpus = AmericasNliCorpus(data)
    train, dev = corpus.examples("quy_Latn", "train"), corpus.examples("quy_Latn", "dev")
    assert len(train) + len(dev) == 120 and 0 < len(dev) < len(train)
    assert not {item.text for item in train} & {item.text for item in dev}


def test_pairs_are_probed_and_tuned(data, tiny_encoder_folder):
    rows = evaluate(
        tiny_encoder_folder,
        "americasnli",
        data,
        source_languages=["quy_Latn"],
        transfer_settings=["probe", "zero-shot"],
        finetuning={"all": {"num_train_epochs": 1}},
    )
    assert {(row.setting, row.metric) for row in rows} == {("probe", "accuracy"), ("zero-shot", "accuracy")}


def test_pawsx_reads_its_own_files(tmp_path):
    header = ("id", "sentence1", "sentence2", "label")
    for name in ("translated_train", "dev_2k", "test_2k"):
        write(
            tmp_path / f"pawsx/x-final/de/{name}.tsv",
            tsv(header, [("1", f"{name} a", "b", "1"), ("2", "c", "d", "0")]),
        )
    corpus = PawsXCorpus(tmp_path)
    assert corpus.languages() == ["deu_Latn"]
    for split, name in (("train", "translated_train"), ("dev", "dev_2k"), ("test", "test_2k")):
        examples = corpus.examples("deu_Latn", split)
        assert [example.label for example in examples] == [1, 0] and examples[0].text == f"{name} a"
    write(tmp_path / "pawsx/x-final/de/test_2k.tsv", tsv(header, [("1", "a", "b", "2")]))
    with pytest.raises(DataError, match=r"test_2k\.tsv:2 has the label '2'"):
        corpus.examples("deu_Latn", "test")


@pytest.mark.parametrize("name", ["eng_Latn/test.tsv", "eng_test.tsv", "eng_Latn_test.tsv"])
def test_taxi1500_has_no_header(tmp_path, name):
    rows = [(f"4000100{number}", label, f"verse {number} .") for number, label in enumerate(TAXI_LABELS)]
    write(tmp_path / "taxi1500" / name, "\n".join("\t".join(row) for row in rows))
    corpus = Taxi1500Corpus(tmp_path)
    assert corpus.languages() == ["eng_Latn"]
    assert [example.label for example in corpus.examples("eng_Latn", "test")] == list(range(6))


def test_the_shared_data_are_whole(shared_data):
    assert [len(Taxi1500Corpus(shared_data).examples("eng_Latn", split)) for split in ("train", "dev", "test")] == [
        860,
        106,
        111,
    ]
    corpus = AmericasNliCorpus(shared_data)
    assert len(corpus.languages()) == 3
    assert all(len(corpus.examples(code, "test")) == 750 for code in corpus.languages())
