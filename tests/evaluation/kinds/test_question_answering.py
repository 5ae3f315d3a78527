from __future__ import annotations

import json
import logging

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForQuestionAnswering

from hf_mplm.evaluation.benchmarks.mlqa import MlqaCorpus
from hf_mplm.evaluation.benchmarks.tydiqa import TyDiQaCorpus
from hf_mplm.evaluation.benchmarks.xquad import TASK, XQuadCorpus
from hf_mplm.evaluation.files.layouts import DataError
from hf_mplm.evaluation.files.squad import read_questions
from hf_mplm.evaluation.kinds.finetuning import FineTuningSettings, predict
from hf_mplm.evaluation.loading import load_model
from hf_mplm.evaluation.runner import evaluate
from tests.fixtures import corpus_lines


FAST = {"all": {"learning_rate": 5e-3, "num_train_epochs": 1, "batch_size": 8, "max_length": 64, "doc_stride": 16}}


def squad(prefix="q", articles=8, code="eng_Latn"):
    """A benchmark in SQuAD's form: one paragraph an article, two questions each."""
    lines = [line for _, line in corpus_lines(code)]
    data = []
    for number in range(articles):
        context = lines[number % len(lines)]
        words = context.split()
        qas = []
        for position in range(2):
            word = words[position]
            answers = [{"text": word, "answer_start": context.index(word)}]
            qas.append({"id": f"{prefix}{number}-{position}", "question": f"Which {position}?", "answers": answers})
        data.append({"title": "same", "paragraphs": [{"context": context, "qas": qas}]})
    return {"version": "1.1", "data": data}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def flat(content):
    return [
        {
            "id": qa["id"],
            "context": paragraph["context"],
            "question": qa["question"],
            "answers": {
                "text": [answer["text"] for answer in qa["answers"]],
                "answer_start": [answer["answer_start"] for answer in qa["answers"]],
            },
        }
        for article in content["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]


def write_parquet(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(flat(content)), path)


@pytest.fixture
def xquad_data(tmp_path):
    for name, code in (("en", "eng_Latn"), ("hi", "hin_Deva")):
        write(tmp_path / "xquad" / f"xquad.{name}.json", squad(code=code))
    return tmp_path


def ids(questions):
    return [question.id for question in questions]


def test_json_lines_parquet_and_nested_json_are_the_same(tmp_path):
    nested = read_questions([write(tmp_path / "nested.json", squad())])
    write_parquet(tmp_path / "flat.parquet", squad())
    lines = tmp_path / "lines.json"
    lines.write_text("\n".join(map(json.dumps, flat(squad()))), encoding="utf-8")
    for path in (tmp_path / "flat.parquet", lines):
        for one, other in zip(read_questions([path]), nested, strict=True):
            assert one[:5] == other[:5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": []}, "has no questions"),
        ({"data": [{"title": "x"}]}, r"data\[0\] has no 'paragraphs'"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, r"data\[0\].paragraphs\[0\] has no 'context'"),
        ({"data": squad(articles=1)["data"] * 2}, "question q0-0 repeats the id of"),
    ],
)
def test_faults_in_json_name_their_place(content, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_questions([write(tmp_path / "x.json", content)])


def test_broken_json_names_its_line(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"data": [', encoding="utf-8")
    with pytest.raises(DataError, match="x.json: it is not JSON: .* at line 1"):
        read_questions([path])


def test_trained_articles_of_xquad_are_scored_in_no_language(xquad_data):
    corpus = XQuadCorpus(xquad_data)
    assert corpus.languages() == ["eng_Latn", "hin_Deva"]
    train, dev = ids(corpus.examples("eng_Latn", "train")), ids(corpus.examples("eng_Latn", "dev"))
    assert (len(train), len(dev)) == (10, 2)
    for language in corpus.languages():
        test = ids(corpus.examples(language, "test"))
        assert test == ["q6-0", "q6-1", "q7-0", "q7-1"]
        assert not set(test) & {*train, *dev}
    # The Hub's form has no articles, and the same split.
    for name in ("en", "hi"):
        path = xquad_data / "xquad" / f"xquad.{name}.json"
        write_parquet(
            xquad_data / "hub" / "xquad" / f"xquad.{name}" / "validation-00000-of-00001.parquet",
            json.loads(path.read_text()),
        )
    hub = XQuadCorpus(xquad_data / "hub")
    assert hub.languages() == corpus.languages()
    assert ids(hub.examples("hin_Deva", "test")) == ["q6-0", "q6-1", "q7-0", "q7-1"]
    assert ids(hub.examples("eng_Latn", "train")) == train


def test_real_xquad_is_split_alike_in_every_language(shared_data):
    corpus = XQuadCorpus(shared_data)
    tests = [set(ids(corpus.examples(language, "test"))) for language in corpus.languages()]
    assert all(test == tests[0] for test in tests) and 250 < len(tests[0]) < 350
    assert not tests[0] & set(ids(corpus.examples("eng_Latn", "train")))


def test_a_training_file_leaves_all_of_xquad_to_be_scored(xquad_data, tiny_encoder_folder):
    train = write(xquad_data / "train-v1.1.json", squad(prefix="t", articles=6))
    corpus = XQuadCorpus(xquad_data, str(train))
    assert len(corpus.examples("hin_Deva", "test")) == 16
    assert ids(corpus.examples("eng_Latn", "train")) == [f"t{n}-{k}" for n in range(5) for k in range(2)]
    assert ids(corpus.examples("eng_Latn", "dev")) == ["t5-0", "t5-1"]
    rows = evaluate(tiny_encoder_folder, "xquad", xquad_data, train_file=train, finetuning=FAST)
    assert {(row.language, row.metric, row.n) for row in rows} == {
        (language, metric, 16) for language in ("eng_Latn", "hin_Deva") for metric in ("f1", "exact_match")
    }
    with pytest.raises(ValueError, match="--train_file holds one source language"):
        evaluate(tiny_encoder_folder, "xquad", xquad_data, train_file=train, transfer_settings=["few-shot-10"])
    with pytest.raises(FileNotFoundError, match="there is no training file"):
        evaluate(tiny_encoder_folder, "xquad", xquad_data, train_file=xquad_data / "absent.json")


def test_questions_that_cannot_be_trained_on_are_counted(tmp_path, caplog):
    content = squad(articles=4)
    content["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] += 1
    content["data"][1]["paragraphs"][0]["qas"][0].update(is_impossible=True, answers=[])
    path = write(tmp_path / "train.json", content)
    with caplog.at_level(logging.WARNING):
        train = XQuadCorpus(tmp_path, str(path)).examples("eng_Latn", "train")
    assert ids(train) == ["q0-1", "q1-1", "q2-0", "q2-1"]
    assert "2 of 8 questions" in caplog.text and "q0-0" in caplog.text


def test_a_question_to_be_scored_without_an_answer_is_refused(xquad_data, tiny_encoder_folder):
    path = xquad_data / "xquad" / "xquad.hi.json"
    content = json.loads(path.read_text())
    content["data"][7]["paragraphs"][0]["qas"][0]["answers"] = []
    write(path, content)
    with pytest.raises(DataError, match="xquad.hi.json: question q7-0 has no answer"):
        evaluate(tiny_encoder_folder, "xquad", xquad_data, finetuning=FAST)


def test_tydiqa_goes_by_the_language_in_its_ids(tmp_path, tiny_encoder_folder):
    folder = tmp_path / "tydiqa"
    train = {"data": squad("english-")["data"] + squad("swahili-", code="swh_Latn")["data"]}
    dev = {"data": squad("english-d")["data"] + squad("swahili-d", code="swh_Latn")["data"]}
    write(folder / "tydiqa-goldp-v1.1-train.json", train)
    write(folder / "tydiqa-goldp-v1.1-dev.json", dev)
    # The download holds the dev set by language as well.
    write(folder / "tydiqa-goldp-v1.1-dev" / "tydiqa-goldp-dev-swahili.json", squad("swahili-d", code="swh_Latn"))
    corpus = TyDiQaCorpus(tmp_path)
    assert corpus.languages() == ["eng_Latn", "swh_Latn"]
    assert all(identity.startswith("swahili-d") for identity in ids(corpus.examples("swh_Latn", "test")))
    assert len(corpus.examples("swh_Latn", "test")) == 16
    assert len(corpus.examples("eng_Latn", "train")) == 14 and len(corpus.examples("eng_Latn", "dev")) == 2
    write_parquet(tmp_path / "hub" / "tydiqa" / "secondary_task" / "validation-00000-of-00001.parquet", dev)
    assert ids(TyDiQaCorpus(tmp_path / "hub").examples("swh_Latn", "test")) == ids(corpus.examples("swh_Latn", "test"))
    rows = evaluate(
        tiny_encoder_folder, "tydiqa", tmp_path, finetuning=FAST, transfer_settings=["zero-shot", "in-language"]
    )
    assert {(row.language, row.source_language, row.setting) for row in rows} == {
        ("eng_Latn", "eng_Latn", "zero-shot"),
        ("swh_Latn", "eng_Latn", "zero-shot"),
        ("eng_Latn", "eng_Latn", "in-language"),
        ("swh_Latn", "swh_Latn", "in-language"),
    }
    write(folder / "other-dev.json", squad("klingon-"))
    with pytest.raises(DataError, match="begins with none of arabic, bengali"):
        TyDiQaCorpus(tmp_path).languages()


def test_mlqa_asks_for_squad_and_takes_its_own_dev_set(tmp_path, tiny_encoder_folder):
    folder = tmp_path / "mlqa" / "MLQA_V1"
    for split in ("dev", "test"):
        for one in ("en", "de"):
            for other in ("en", "de"):
                name = f"{split}-context-{one}-question-{other}.json"
                write(folder / split / name, squad(f"{one}{other}{split}"))
    corpus = MlqaCorpus(tmp_path)
    assert corpus.languages() == ["deu_Latn", "eng_Latn"]
    # Question and passage in the same language.
    assert all(identity.startswith("dedetest") for identity in ids(corpus.examples("deu_Latn", "test")))
    write_parquet(tmp_path / "hub" / "mlqa" / "mlqa.de.de" / "test-00000-of-00001.parquet", squad())
    write_parquet(tmp_path / "hub" / "mlqa" / "mlqa.de.en" / "test-00000-of-00001.parquet", squad())
    assert len(MlqaCorpus(tmp_path / "hub").examples("deu_Latn", "test")) == 16
    with pytest.raises(FileNotFoundError, match="--train_file train-v1.1.json"):
        evaluate(tiny_encoder_folder, "mlqa", tmp_path, finetuning=FAST)
    train = write(tmp_path / "train.json", squad("t"))
    rows = evaluate(tiny_encoder_folder, "mlqa", tmp_path, finetuning=FAST, train_file=train)
    assert len(rows) == 4


def settings(max_length=48):
    return FineTuningSettings(
        learning_rate=1e-3, num_train_epochs=1, batch_size=4, max_length=max_length, doc_stride=8
    )


@pytest.fixture
def reader(tiny_encoder_folder):
    torch.manual_seed(0)
    return load_model(tiny_encoder_folder, AutoModelForQuestionAnswering).eval()


def test_batches_change_nothing_and_every_question_is_scored(reader, tiny_tokenizer, tmp_path):
    examples = read_questions([write(tmp_path / "x.json", squad())])
    features = TASK.features(examples, tiny_tokenizer, settings(), train=False)
    assert len(features.rows) > len(examples)
    scores = []
    for tokens in (1, 100_000):
        predictions = predict(
            reader,
            features.rows,
            collate=lambda rows: TASK.collate(rows, tiny_tokenizer),
            decode=TASK.decode,
            tokens_per_batch=tokens,
        )
        scores.append(TASK.score(examples, features, predictions, "eng_Latn"))
    assert scores[0] == scores[1] and scores[0].n == len(examples)


def test_the_loss_does_not_depend_on_padding(reader, tiny_tokenizer, tmp_path):
    examples = read_questions([write(tmp_path / "x.json", squad())])
    rows = TASK.features(examples, tiny_tokenizer, settings(), train=True).rows
    assert len({len(row["input_ids"]) for row in rows}) > 1
    with torch.no_grad():
        together = TASK.loss(reader, TASK.collate(rows, tiny_tokenizer))
        alone = sum(TASK.loss(reader, TASK.collate([row], tiny_tokenizer)) for row in rows)
        same = [row for row in rows if len(row["input_ids"]) == len(rows[0]["input_ids"])]
        batch = TASK.collate(same, tiny_tokenizer)
        stock = reader(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            start_positions=batch["start"],
            end_positions=batch["end"],
        ).loss
        ours = TASK.loss(reader, batch) / TASK.count(batch)
    assert together.item() == pytest.approx(alone.item(), rel=1e-5)
    # Where nothing is padded it is the stock class's loss.
    assert ours.item() == pytest.approx(stock.item(), rel=1e-6)


def test_options_of_the_task_stand_beside_its_hyper_parameters(xquad_data, tiny_encoder_folder):
    options = {"xquad": {**FAST["all"], "normalization": "mlqa", "max_answer_length": 5, "n_best": 3}}
    assert len(evaluate(tiny_encoder_folder, "xquad", xquad_data, finetuning=options)) == 4
    options["xquad"]["normalization"] = "loose"
    with pytest.raises(ValueError, match="normalization 'loose' is none of squad, mlqa"):
        evaluate(tiny_encoder_folder, "xquad", xquad_data, finetuning=options)


def test_answers_are_learned(tmp_path, tiny_encoder_folder):
    """The answer is the only number of its passage."""
    data = []
    for number in range(16):
        context = f"the cat has {10 + number} dogs and sings"
        answers = [{"text": str(10 + number), "answer_start": 12}]
        qas = [{"id": str(number), "question": "how many?", "answers": answers}]
        data.append({"paragraphs": [{"context": context, "qas": qas}]})
    write(tmp_path / "xquad" / "xquad.en.json", {"data": data})
    options = {"all": {**FAST["all"], "num_train_epochs": 40, "batch_size": 5}}
    rows = evaluate(tiny_encoder_folder, "xquad", tmp_path, finetuning=options)
    assert {row.n for row in rows} == {4}
    assert all(row.value > 0.7 for row in rows)
