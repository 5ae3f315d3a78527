"""What a study found, as pure functions from its scores to tables: transfer, interference, prediction, advice.

Imports nothing of its room but the scores of `transfer_metrics`, so that a table can be made anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .advice import Advice, advise
    from .best_donors import commonality
    from .features import pair_features
    from .interference import interference_table
    from .own import own_scores
    from .prediction import Prediction, predict
    from .seen import seen_means
    from .table import Scores
    from .transfer import (
        rank_donors,
        rankings,
        recipients,
        task_correlation,
        transfer_table,
        variance_types,
    )

__all__ = [
    "Advice",
    "Prediction",
    "Scores",
    "advise",
    "commonality",
    "interference_table",
    "own_scores",
    "pair_features",
    "predict",
    "rank_donors",
    "rankings",
    "recipients",
    "seen_means",
    "task_correlation",
    "transfer_table",
    "variance_types",
]

_NAMES = {
    "advice": [
        "Advice",
        "advise",
    ],
    "best_donors": [
        "commonality",
    ],
    "features": [
        "pair_features",
    ],
    "interference": [
        "interference_table",
    ],
    "own": [
        "own_scores",
    ],
    "prediction": [
        "Prediction",
        "predict",
    ],
    "seen": [
        "seen_means",
    ],
    "table": [
        "Scores",
    ],
    "transfer": [
        "rank_donors",
        "rankings",
        "recipients",
        "task_correlation",
        "transfer_table",
        "variance_types",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
