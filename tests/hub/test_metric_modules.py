from __future__ import annotations

import evaluate
import numpy as np
import pytest

from hf_mplm.evaluation.kinds.retrieval import retrieval_accuracy
from hf_mplm.hub.metric_modules import module_path


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path))
    return lambda name: evaluate.load(module_path(name), cache_dir=str(tmp_path / "cache"))


def test_retrieval_accuracy_is_ours(load):
    generator = np.random.default_rng(0)
    source = generator.normal(size=(40, 8)).astype(np.float32)
    target = source + generator.normal(size=source.shape).astype(np.float32)
    scores = load("retrieval_accuracy").compute(predictions=source, references=target, setting="csls")
    assert scores == retrieval_accuracy(source, target, setting="csls")
    assert 0 < scores["accuracy@1"] < scores["accuracy@10"] < 1


def test_attachment_scores_count_words(load):
    gold = [
        {"heads": [2, 0, 2], "relations": ["det", "root", "obj"]},
        {"heads": [0], "relations": ["root"]},
    ]
    guess = [
        {"heads": [2, 0, 1], "relations": ["amod", "root", "obj"]},
        {"heads": [0], "relations": ["root"]},
    ]
    metric = load("attachment_scores")
    assert metric.compute(predictions=guess, references=gold) == {"uas": 3 / 4, "las": 2 / 4}
    with pytest.raises(ValueError, match="sentence 0 has predictions and references of different lengths"):
        metric.compute(predictions=[{"heads": [1], "relations": ["root"]}], references=gold[:1])


def test_transfer_scores_are_ours(load):
    scores = load("transfer_score").compute(predictions=[[0.5, 0.6], [0.1]], references=[0.5, 0.2])
    assert scores["transfer_scores"] == pytest.approx([0.1, -0.5])
    assert scores["transfer_score"] == pytest.approx(-0.2)
    assert scores["positive"] == 0.5


def test_the_papers_example_of_interference_comes_out(load):
    # Table 6 and appendix F of the transfer study.
    cases = [[0.4, 0.4], [0.4, 0.6], [0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.6, 0.6], [0.6, 0.6]]
    scores = load("interference").compute(predictions=cases, references=[[0.5, 0.5]] * 7)
    assert [round(value, 2) for value in scores["projection"]] == [0.43, -0.14]
    assert scores["counts"] == {"++": 2, "+-": 3, "-+": 1, "--": 1}


def test_an_unknown_metric_is_named():
    with pytest.raises(ValueError, match="there are attachment_scores, interference, retrieval_accuracy"):
        module_path("bleu")
