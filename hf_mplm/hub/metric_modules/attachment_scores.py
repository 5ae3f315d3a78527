"""UAS and LAS as a metric of the `evaluate` library."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate


_DESCRIPTION = "Share of the words whose head is right (UAS), and whose head and relation are right (LAS)."
_INPUTS = """
Args:
    predictions (list of dict): for each sentence `heads` (list of int, 0 for the root) and `relations` (list of str).
    references (list of dict): the same, as it should be.

Returns:
    uas, las (float): between 0 and 1, over all words of all sentences.

Examples:
    >>> metric = evaluate.load(module_path("attachment_scores"))
    >>> gold = [{"heads": [2, 0], "relations": ["det", "root"]}]
    >>> metric.compute(predictions=[{"heads": [2, 0], "relations": ["amod", "root"]}], references=gold)
    {'uas': 1.0, 'las': 0.5}
"""
_CITATION = """@inproceedings{buchholz-marsi-2006-conll,
  title = {{CoNLL-X} Shared Task on Multilingual Dependency Parsing},
  author = {Buchholz, Sabine and Marsi, Erwin},
  booktitle = {Proceedings of the Tenth Conference on Computational Natural Language Learning},
  year = {2006}
}"""


class AttachmentScores(evaluate.Metric):
    """`uas` and `las` over words."""

    def _info(self) -> evaluate.MetricInfo:
        tree = {
            "heads": datasets.Sequence(datasets.Value("int32")),
            "relations": datasets.Sequence(datasets.Value("string")),
        }
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": tree, "references": tree}),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        words = heads = both = 0
        for number, (guess, truth) in enumerate(zip(predictions, references)):
            lengths = {len(side[name]) for side in (guess, truth) for name in ("heads", "relations")}
            if len(lengths) != 1:
                raise ValueError(f"sentence {number} has predictions and references of different lengths: {lengths}")
            for head, relation, true_head, true_relation in zip(*guess.values(), *truth.values()):
                words += 1
                heads += head == true_head
                both += head == true_head and relation == true_relation
        if not words:
            raise ValueError("there is no word to score")
        return {"uas": heads / words, "las": both / words}
