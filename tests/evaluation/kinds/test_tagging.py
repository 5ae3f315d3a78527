from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from transformers import AutoModelForTokenClassification

from hf_mplm.evaluation.benchmarks import ner, pos
from hf_mplm.evaluation.files.layouts import DataError
from hf_mplm.evaluation.files.tagged import TaggedSentence
from hf_mplm.evaluation.kinds.examples import Features
from hf_mplm.evaluation.kinds.finetuning import FineTuningSettings, predict
from hf_mplm.evaluation.loading import load_model
from hf_mplm.evaluation.runner import evaluate
from tests.fixtures import corpus_lines


FAST = {"ner": {"learning_rate": 5e-3, "num_train_epochs": 1}, "pos": {"learning_rate": 5e-3, "num_train_epochs": 1}}


def settings(max_length):
    return FineTuningSettings(learning_rate=1e-3, num_train_epochs=1, batch_size=4, max_length=max_length)


def tagged(seed=0, labels=pos.LABELS):
    generator = np.random.default_rng(seed)
    return [
        TaggedSentence(words, generator.integers(len(labels), size=len(words)).tolist(), labels, "")
        for _, line in corpus_lines()
        if (words := line.split())
    ]


@pytest.fixture
def tagger(tiny_encoder_folder):
    torch.manual_seed(0)
    return load_model(tiny_encoder_folder, AutoModelForTokenClassification, num_labels=len(pos.LABELS)).eval()


def run(task, model, tokenizer, examples, max_length, **kwargs):
    features = task.features(examples, tokenizer, settings(max_length), train=False)
    predictions = predict(
        model, features.rows, collate=lambda rows: task.collate(rows, tokenizer), decode=task.decode, **kwargs
    )
    return features, predictions


@pytest.mark.parametrize("max_length", [12, 128])
def test_every_word_is_scored_once(max_length, tagger, tiny_tokenizer):
    examples = tagged()
    features, predictions = run(pos.TASK, tagger, tiny_tokenizer, examples, max_length)
    assert len(features.rows) > len(examples) or max_length == 128
    joined = pos.TASK.join(examples, features, predictions)
    assert [len(labels) for labels in joined] == [len(example.words) for example in examples]
    scores = pos.TASK.score(examples, features, predictions, "eng_Latn")
    assert scores.n == sum(len(example.words) for example in examples) and scores.n_skipped == 0


def test_metrics_equal_scikit_learn_and_seqeval(tagger, tiny_tokenizer):
    seqeval = pytest.importorskip("seqeval.metrics")
    examples = tagged()
    features, predictions = run(pos.TASK, tagger, tiny_tokenizer, examples, 20)
    metrics = pos.TASK.score(examples, features, predictions, "eng_Latn").metrics
    joined = pos.TASK.join(examples, features, predictions)
    gold = [label for example in examples for label in example.labels]
    guess = [label for labels in joined for label in labels]
    assert metrics["accuracy"] == pytest.approx(accuracy_score(gold, guess))
    assert metrics["macro_f1"] == pytest.approx(f1_score(gold, guess, average="macro"))
    names = [[[pos.LABELS[label] for label in row] for row in side] for side in ([e.labels for e in examples], joined)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert metrics["seqeval_f1"] == pytest.approx(seqeval.f1_score(*names))
    assert len({metrics["accuracy"], metrics["macro_f1"], metrics["seqeval_f1"]}) == 3


def test_predictions_are_those_of_the_first_subword(tagger, tiny_tokenizer):
    examples = tagged()[:12]
    _, predictions = run(pos.TASK, tagger, tiny_tokenizer, examples, 128)
    for example, predicted in zip(examples, predictions):
        ids, first = [tiny_tokenizer.bos_token_id], []
        for word in example.words:
            first.append(len(ids))
            ids += tiny_tokenizer(word, add_special_tokens=False)["input_ids"] or [tiny_tokenizer.unk_token_id]
        ids.append(tiny_tokenizer.eos_token_id)
        if len(ids) > 128:
            continue
        with torch.no_grad():
            logits = tagger(torch.tensor([ids])).logits[0]
        assert predicted.tolist() == logits[first].argmax(-1).tolist()


@pytest.mark.parametrize("tokens_per_batch", [1, 300, 100_000])
def test_batches_change_nothing(tokens_per_batch, tagger, tiny_tokenizer):
    examples = tagged()
    _, one = run(pos.TASK, tagger, tiny_tokenizer, examples, 40)
    _, other = run(pos.TASK, tagger, tiny_tokenizer, examples, 40, tokens_per_batch=tokens_per_batch)
    assert all((first == second).all() for first, second in zip(one, other))


def test_the_loss_is_that_of_the_stock_class(tagger, tiny_tokenizer):
    """Which takes -100 for the other subwords, and averages over words."""
    rows = pos.TASK.features(tagged()[:6], tiny_tokenizer, settings(128), train=True).rows
    batch = pos.TASK.collate(rows, tiny_tokenizer)
    labels = torch.full_like(batch["input_ids"], -100)
    for row, (positions, tags) in enumerate(zip(batch["positions"], batch["labels"])):
        labels[row, positions[positions >= 0]] = tags[positions >= 0]
    with torch.no_grad():
        stock = tagger(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
        ours = pos.TASK.loss(tagger, batch) / pos.TASK.count(batch)
    assert pos.TASK.count(batch) == int((labels != -100).sum())
    assert ours.item() == pytest.approx(stock.item(), rel=1e-6)


def test_an_entity_across_two_windows_is_one_entity():
    example = TaggedSentence(["New", "York", "is"], [5, 6, 0], ner.LABELS, "")
    rows = [{"example": 0}, {"example": 0}]
    scores = ner.TASK.score([example], Features(rows), [np.array([5]), np.array([6, 0])], "eng_Latn")
    assert scores.metrics == {"entity_f1": 1.0}


def write_ner(folder, languages=("en", "swa"), extra=""):
    for language in languages:
        target = folder / "ner" / language
        target.mkdir(parents=True)
        for split, count in (("train", 12), ("dev", 4), ("test", 6)):
            text = "\nJohn B-PER\nSmith I-PER\nsaw O\nParis B-LOC\n" * count
            (target / f"{split}.txt").write_text("\n" + text + extra, encoding="utf-8")
    return folder


def test_training_on_english_finds_names_in_swahili(tmp_path, tiny_encoder_folder):
    rows = evaluate(
        tiny_encoder_folder,
        "ner",
        write_ner(tmp_path),
        finetuning={"ner": {"learning_rate": 5e-3, "num_train_epochs": 30, "batch_size": 4}},
    )
    assert {(row.language, row.metric, row.n) for row in rows} == {
        ("eng_Latn", "entity_f1", 6),
        ("swh_Latn", "entity_f1", 6),
    }
    assert all(row.value == 1.0 and row.source_language == "eng_Latn" for row in rows)


def test_labels_beyond_the_usual_ones_are_named_in_a_file(tmp_path, tiny_encoder_folder):
    data = write_ner(tmp_path, extra="\ntoday B-DATE\n")
    with pytest.raises(DataError, match="train.txt:63 has the label 'B-DATE'"):
        evaluate(tiny_encoder_folder, "ner", data, finetuning=FAST)
    (data / "ner" / "labels.txt").write_text("\n".join([*ner.LABELS, "B-DATE", "I-DATE"]), encoding="utf-8")
    assert len(evaluate(tiny_encoder_folder, "ner", data, finetuning=FAST)) == 2


def test_missing_and_faulty_files(tmp_path, tiny_encoder_folder):
    data = write_ner(tmp_path)
    (data / "ner" / "swa" / "test.txt").unlink()
    rows = evaluate(tiny_encoder_folder, "ner", data, "eng_Latn,swh_Latn", finetuning=FAST)
    assert {row.language for row in rows} == {"eng_Latn"}
    (data / "ner" / "swa" / "test.txt").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="test.txt has no sentences"):
        evaluate(tiny_encoder_folder, "ner", data, finetuning=FAST)
    (data / "ner" / "en" / "train.txt").unlink()
    with pytest.raises(FileNotFoundError, match="no train sentences of eng_Latn"):
        evaluate(tiny_encoder_folder, "ner", data, "eng_Latn", finetuning=FAST)


def test_parts_of_speech_come_from_token_files_or_treebanks(tmp_path, tiny_encoder_folder):
    treebank = "\n".join(
        "\t".join([str(n), form, "_", tag, "_", "_", str(head), "dep", "_", "_"])
        for n, form, tag, head in ((1, "den", "DET", 2), (2, "Hund", "NOUN", 0), (3, "!", "PUNCT", 2))
    )
    (tmp_path / "ud").mkdir()
    for split in ("train", "dev", "test"):
        (tmp_path / "ud" / f"de_gsd-ud-{split}.conllu").write_text(treebank + "\n\n", encoding="utf-8")
    (tmp_path / "pos").mkdir()
    (tmp_path / "pos" / "test-swh_Latn.tsv").write_text("mbwa\tNOUN\n!\tPUNCT\n", encoding="utf-8")
    rows = evaluate(tiny_encoder_folder, "pos", tmp_path, source_languages=("deu_Latn",), finetuning=FAST)
    assert {(row.language, row.n) for row in rows} == {("deu_Latn", 3), ("swh_Latn", 2)}
    assert {row.metric for row in rows} == {"accuracy", "macro_f1", "seqeval_f1"}
    wrong = treebank.replace("DET", "ART")
    (tmp_path / "ud" / "de_gsd-ud-test.conllu").write_text(wrong, encoding="utf-8")
    with pytest.raises(DataError, match="de_gsd-ud-test.conllu:1 has the tag 'ART'"):
        evaluate(tiny_encoder_folder, "pos", tmp_path, source_languages=("deu_Latn",), finetuning=FAST)
