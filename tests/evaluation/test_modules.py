from __future__ import annotations

import evaluate
import numpy as np
import pytest

from hf_mplm.evaluation.modules import module_path
from hf_mplm.evaluation.retrieval import retrieval_accuracy


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


def test_an_unknown_metric_is_named():
    with pytest.raises(ValueError, match="there are attachment_scores, retrieval_accuracy"):
        module_path("bleu")
