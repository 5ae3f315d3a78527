"""Who helps whom: donors of a language, and the scores of the transfer study.

May import `languages`, `jobs`, `data`, `modeling`, `losses`, `trainers` and `evaluation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .donors import Donor, measured_transfer, rank_donors
    from .experiment import StudyExperiment
    from .findings.advice import Advice, advise
    from .findings.table import Scores
    from .findings.transfer import rankings, transfer_table
    from .modules import TaskModule, adapt_encoder
    from .settings import StudySettings
    from .study.database import StudyDatabase
    from .study.unit import CellScore, Experiment, Unit
    from .transfer_metrics import interference_projection, interference_signs, transfer_scores
    from .tuning import Base

__all__ = [
    "Advice",
    "Base",
    "CellScore",
    "Donor",
    "Experiment",
    "Scores",
    "StudyDatabase",
    "StudyExperiment",
    "StudySettings",
    "TaskModule",
    "Unit",
    "adapt_encoder",
    "advise",
    "interference_projection",
    "interference_signs",
    "measured_transfer",
    "rank_donors",
    "rankings",
    "transfer_scores",
    "transfer_table",
]

_NAMES = {
    "experiment": ["StudyExperiment"],
    "findings.advice": ["Advice", "advise"],
    "findings.table": ["Scores"],
    "findings.transfer": ["rankings", "transfer_table"],
    "modules.backends": ["adapt_encoder"],
    "modules.task_module": ["TaskModule"],
    "settings": ["StudySettings"],
    "study.database": ["StudyDatabase"],
    "study.unit": ["CellScore", "Experiment", "Unit"],
    "tuning.base": ["Base"],
    "donors": [
        "Donor",
        "measured_transfer",
        "rank_donors",
    ],
    "transfer_metrics": [
        "interference_projection",
        "interference_signs",
        "transfer_scores",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
