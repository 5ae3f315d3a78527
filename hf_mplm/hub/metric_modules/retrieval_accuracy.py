"""Sentence retrieval as a metric of the `evaluate` library."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from hf_mplm.evaluation.kinds.retrieval import retrieval_accuracy


_DESCRIPTION = "Share of the sentences whose translation is among the nearest k of the other language, by cosine."
_INPUTS = """
Args:
    predictions (list of list of float): vectors of the sentences that ask.
    references (list of list of float): vectors of their translations, in the same order.
    setting (str): "plain", "centred", "csls" or "centred+csls"; "plain" by default.
    csls_neighbours (int): neighbours of CSLS; 10 by default.

Returns:
    accuracy@1, accuracy@5, accuracy@10 (float): between 0 and 1.
    f1 (float): of bitext mining, as MTEB reports it; under "plain" only.

Examples:
    >>> metric = evaluate.load(module_path("retrieval_accuracy"))
    >>> metric.compute(predictions=[[1.0, 0.0], [0.0, 1.0]], references=[[2.0, 0.1], [0.1, 2.0]])["accuracy@1"]
    1.0
"""
_CITATION = """@inproceedings{artetxe-schwenk-2019-massively,
  title = {Massively Multilingual Sentence Embeddings for Zero-Shot Cross-Lingual Transfer and Beyond},
  author = {Artetxe, Mikel and Schwenk, Holger},
  journal = {Transactions of the Association for Computational Linguistics},
  volume = {7},
  year = {2019}
}"""


class RetrievalAccuracy(evaluate.Metric):
    """`accuracy@1`, `accuracy@5` and `accuracy@10` of parallel sentences."""

    def _info(self) -> evaluate.MetricInfo:
        vector = datasets.Sequence(datasets.Value("float32"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": vector, "references": vector}),
        )

    def _compute(self, predictions: Any, references: Any, **kwargs: Any) -> dict[str, float]:
        return retrieval_accuracy(np.asarray(predictions), np.asarray(references), **kwargs)
