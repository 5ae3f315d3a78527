"""The transfer study's projection of interference as a metric of the `evaluate` library."""

from __future__ import annotations

from collections import Counter
from typing import Any

import datasets
import evaluate

from hf_mplm.transfer.transfer_metrics import interference_projection, interference_signs


_DESCRIPTION = "Whether a language gains in combination with others, and whether those gain from it."
_INPUTS = """
Args:
    predictions (list of list of float): for each case the scores of the combined languages: the language itself first,
        then the others.
    references (list of list of float): the scores of each of them by itself.

Returns:
    projection (list of float): mean sign of the language itself, then of the others, between -1 and 1.
    counts (dict of str to int): cases by their signs, such as "+-".

Examples:
    >>> metric = evaluate.load(module_path("interference"))
    >>> metric.compute(predictions=[[0.6, 0.4], [0.6, 0.6]], references=[[0.5, 0.5], [0.5, 0.5]])
    {'projection': [1.0, 0.0], 'counts': {'++': 1, '+-': 1}}
"""
_CITATION = """@inproceedings{faisal-anastasopoulos-2024-efficient,
  title = {An Efficient Approach for Studying Cross-Lingual Transfer in Multilingual Language Models},
  author = {Faisal, Fahim and Anastasopoulos, Antonios},
  year = {2024}
}"""


class Interference(evaluate.Metric):
    """`projection` and `counts` over cases."""

    def _info(self) -> evaluate.MetricInfo:
        scores = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": scores, "references": scores}),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        signs = interference_signs(predictions, references)
        counts = Counter("".join("+" if sign > 0 else "-" for sign in case) for case in signs)
        return {"projection": interference_projection(signs).tolist(), "counts": dict(sorted(counts.items()))}
