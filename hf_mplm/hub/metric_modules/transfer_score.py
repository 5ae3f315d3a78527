"""The transfer study's transfer score as a metric of the `evaluate` library."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from hf_mplm.transfer.transfer_metrics import transfer_scores


_DESCRIPTION = "What target languages gain or lose, in parts of their base score, by tuning on a transfer language."
_INPUTS = """
Args:
    predictions (list of list of float): for each target language its scores after tuning, one a run.
    references (list of float): for each target language its score before tuning.

Returns:
    transfer_score (float): mean over the targets (the paper's aggregated-transfer).
    transfer_scores (list of float): one a target.
    positive (float): share of the targets that gain.

Examples:
    >>> metric = evaluate.load(module_path("transfer_score"))
    >>> metric.compute(predictions=[[0.75, 1.0], [0.5]], references=[0.5, 0.5])
    {'transfer_score': 0.375, 'transfer_scores': [0.75, 0.0], 'positive': 0.5}
"""
_CITATION = """@inproceedings{faisal-anastasopoulos-2024-efficient,
  title = {An Efficient Approach for Studying Cross-Lingual Transfer in Multilingual Language Models},
  author = {Faisal, Fahim and Anastasopoulos, Antonios},
  year = {2024}
}"""


class TransferScore(evaluate.Metric):
    """`transfer_score` over targets, and what each of them gains."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Sequence(datasets.Value("float64")), "references": datasets.Value("float64")}
            ),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        scores = transfer_scores(predictions, references)
        return {
            "transfer_score": float(scores.mean()),
            "transfer_scores": scores.tolist(),
            "positive": float((scores > 0).mean()),
        }
